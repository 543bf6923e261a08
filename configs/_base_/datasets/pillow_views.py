# The three views of the ImageNet recipes by Pillow, torchvision and timm, image by image on the
# CPU: for whoever must match BCL to the pixel. The `_reference` configs take them.
crop = dict(type='RandomResizedCrop', scale=224, crop_ratio_range=(0.08, 1.0), backend='pillow')
flip = dict(type='RandomFlip', prob=0.5, direction='horizontal')
# View 0, the classifier's.
pillow_randcls_view = [
    crop,
    flip,
    dict(type='RandomColorJitter', brightness=0.4, contrast=0.4, saturation=0.4),
    dict(type='TimmRandAugment', config='rand-n2-m10-mstd0.5'),
]
# Views 1 and 2, the contrastive loss's.
pillow_sim_view = [
    crop,
    flip,
    dict(type='RandomColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, prob=0.8),
    dict(
        type='RandomGrayscale', prob=0.2, keep_channels=True, channel_weights=(0.114, 0.587, 0.299)
    ),
]
pillow_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='ReproducibleMultiView',
        transforms=[pillow_randcls_view, pillow_sim_view],
        num_views=[1, 2],
    ),
    dict(type='PackInputs'),
]
