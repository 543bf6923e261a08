# ImageNet-LT: 115,846 training images of 1,000 classes. Its val split is cut from ImageNet's
# training images, its test split is ImageNet's validation set. Views as in BCL (Zhu et al., CVPR
# 2022); resizing by Pillow, as torchvision does it.
dataset_type = 'ImageNetLT'
data_root = 'data/imagenet'

crop = dict(type='RandomResizedCrop', scale=224, crop_ratio_range=(0.08, 1.0), backend='pillow')
flip = dict(type='RandomFlip', prob=0.5, direction='horizontal')
rand_augment = dict(type='TimmRandAugment', config='rand-n2-m10-mstd0.5')
# "randcls": the strong view of the classifier.
randcls_view = [
    crop,
    flip,
    dict(type='RandomColorJitter', brightness=0.4, contrast=0.4, saturation=0.4),
    rand_augment,
]
# "sim" and "rand": the views of the contrastive loss.
sim_view = [
    crop,
    flip,
    dict(type='RandomColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, prob=0.8),
    dict(
        type='RandomGrayscale', prob=0.2, keep_channels=True, channel_weights=(0.114, 0.587, 0.299)
    ),
]
rand_view = [*sim_view, rand_augment]

load = dict(type='LoadImageFromFile')
pack = dict(type='PackInputs')

# Baselines: the classifier's view alone, drawn from the same random numbers.
train_pipeline = [
    load,
    dict(type='ReproducibleMultiView', transforms=[randcls_view], num_views=[1]),
    pack,
]
# View 0 is the classifier's, views 1 and 2 are the contrastive loss's.
sim_sim_pipeline = [
    load,
    dict(type='ReproducibleMultiView', transforms=[randcls_view, sim_view], num_views=[1, 2]),
    pack,
]
sim_rand_pipeline = [
    load,
    dict(
        type='ReproducibleMultiView',
        transforms=[randcls_view, sim_view, rand_view],
        num_views=[1, 1, 1],
    ),
    pack,
]
rand_rand_pipeline = [
    load,
    dict(type='ReproducibleMultiView', transforms=[randcls_view, rand_view], num_views=[1, 2]),
    pack,
]
# Both views in both branches.
two_view_pipeline = [
    load,
    dict(type='ReproducibleMultiView', transforms=[randcls_view, sim_view], num_views=[1, 1]),
    pack,
]
# The contrastive views alone, for standalone RCL.
contrastive_pipeline = [
    load,
    dict(type='ReproducibleMultiView', transforms=[sim_view], num_views=[2]),
    pack,
]
test_pipeline = [
    load,
    dict(type='ResizeEdge', scale=256, edge='short', backend='pillow'),
    dict(type='CenterCrop', crop_size=224),
    pack,
]

train_dataloader = dict(
    batch_size=256,
    num_workers=12,
    persistent_workers=True,
    dataset=dict(type=dataset_type, data_root=data_root, split='train', pipeline=train_pipeline),
    sampler=dict(type='ReproducibleSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
)
val_dataloader = dict(
    batch_size=256,
    num_workers=6,
    persistent_workers=True,
    dataset=dict(type=dataset_type, data_root=data_root, split='val', pipeline=test_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
)
test_dataloader = dict(
    batch_size=256,
    num_workers=6,
    persistent_workers=True,
    dataset=dict(type=dataset_type, data_root=data_root, split='test', pipeline=test_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
)
val_evaluator = dict(type='LongTailMetric')
test_evaluator = dict(type='LongTailMetric')
