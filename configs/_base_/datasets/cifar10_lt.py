# CIFAR-10-LT: the community's long-tailed subset of CIFAR-10 (Cao et al., NeurIPS 2019), image by
# image. Views as in the rebuilt CIFAR recipe of BCL; the images are RGB arrays.
# There is no validation split: train to the end and test the last epoch.
imbalance_type = 'exp'
imbalance_factor = 100
dataset_type = 'CIFAR10'
data_root = 'data/cifar10'

flip = dict(type='RandomFlip', prob=0.5, direction='horizontal')
# The strong view of the classifier.
cls_view = [
    dict(type='RandomCrop', crop_size=32, padding=4),
    flip,
    dict(type='TorchvisionAutoAugment', policy='cifar10', channel_order='rgb'),
    dict(type='RandomCutout', length=16),
]
# The views of the contrastive loss.
sim_view = [
    dict(type='RandomResizedCrop', scale=32, crop_ratio_range=(0.2, 1.0), backend='pillow'),
    flip,
    dict(
        type='RandomColorJitter',
        brightness=0.4,
        contrast=0.4,
        saturation=0.4,
        hue=0.1,
        prob=0.8,
        channel_order='rgb',
    ),
    dict(
        type='RandomGrayscale',
        prob=0.2,
        keep_channels=True,
        channel_weights=(0.299, 0.587, 0.114),
        color_format='rgb',
    ),
    dict(type='GaussianBlur', magnitude_range=(0.1, 2.0), magnitude_std='inf', prob=0.5),
]
pack = dict(type='PackInputs')

# Baselines: the classifier's view alone, drawn from the same random numbers.
train_pipeline = [
    dict(type='ReproducibleMultiView', transforms=[cls_view], num_views=[1]),
    pack,
]
# View 0 is the classifier's, views 1 and 2 are the contrastive loss's.
three_view_pipeline = [
    dict(type='ReproducibleMultiView', transforms=[cls_view, sim_view], num_views=[1, 2]),
    pack,
]
# Both views in both branches.
two_view_pipeline = [
    dict(type='ReproducibleMultiView', transforms=[cls_view, sim_view], num_views=[1, 1]),
    pack,
]
# The contrastive views alone, for standalone RCL.
contrastive_pipeline = [
    dict(type='ReproducibleMultiView', transforms=[sim_view], num_views=[2]),
    pack,
]
test_pipeline = [pack]

train_dataloader = dict(
    batch_size=256,
    num_workers=8,
    persistent_workers=True,
    dataset=dict(
        type='LongTailedDataset',
        imbalance_type=imbalance_type,
        imbalance_factor=imbalance_factor,
        dataset=dict(
            type=dataset_type, data_root=data_root, split='train', pipeline=train_pipeline
        ),
    ),
    sampler=dict(type='ReproducibleSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
)
val_dataloader = None
test_dataloader = dict(
    batch_size=500,
    num_workers=2,
    dataset=dict(type=dataset_type, data_root=data_root, split='test', pipeline=test_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
)
val_evaluator = None
test_evaluator = dict(type='LongTailMetric')
