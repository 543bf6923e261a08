# CIFAR-10 (JPEG), long-tailed: the same recipe with the images from folders, one per class:
# data/cifar10_jpeg/{train,test}/<class>/<number>.jpg. JPEG coding is lossy and the files are in
# another order than the archive of CIFAR-10, so figures come close to those on CIFAR-10-LT and are
# not the same: call them CIFAR-10 (JPEG). Images from files are BGR.
imbalance_type = 'exp'
imbalance_factor = 100
dataset_type = 'CustomDataset'
data_root = 'data/cifar10_jpeg'

load = dict(type='LoadImageFromFile')
flip = dict(type='RandomFlip', prob=0.5, direction='horizontal')
# The strong view of the classifier.
cls_view = [
    dict(type='RandomCrop', crop_size=32, padding=4),
    flip,
    dict(type='TorchvisionAutoAugment', policy='cifar10'),
    dict(type='RandomCutout', length=16),
]
# The views of the contrastive loss.
sim_view = [
    dict(type='RandomResizedCrop', scale=32, crop_ratio_range=(0.2, 1.0), backend='pillow'),
    flip,
    dict(type='RandomColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, prob=0.8),
    dict(
        type='RandomGrayscale', prob=0.2, keep_channels=True, channel_weights=(0.114, 0.587, 0.299)
    ),
    dict(type='GaussianBlur', magnitude_range=(0.1, 2.0), magnitude_std='inf', prob=0.5),
]
pack = dict(type='PackInputs')

# Baselines: the classifier's view alone, drawn from the same random numbers.
train_pipeline = [
    load,
    dict(type='ReproducibleMultiView', transforms=[cls_view], num_views=[1]),
    pack,
]
# View 0 is the classifier's, views 1 and 2 are the contrastive loss's.
three_view_pipeline = [
    load,
    dict(type='ReproducibleMultiView', transforms=[cls_view, sim_view], num_views=[1, 2]),
    pack,
]
# Both views in both branches.
two_view_pipeline = [
    load,
    dict(type='ReproducibleMultiView', transforms=[cls_view, sim_view], num_views=[1, 1]),
    pack,
]
# The contrastive views alone, for standalone RCL.
contrastive_pipeline = [
    load,
    dict(type='ReproducibleMultiView', transforms=[sim_view], num_views=[2]),
    pack,
]
test_pipeline = [load, pack]

train_dataloader = dict(
    batch_size=256,
    num_workers=8,
    persistent_workers=True,
    dataset=dict(
        type='LongTailedDataset',
        imbalance_type=imbalance_type,
        imbalance_factor=imbalance_factor,
        dataset=dict(
            type=dataset_type, data_root=data_root, data_prefix='train', pipeline=train_pipeline
        ),
    ),
    sampler=dict(type='ReproducibleSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
)
val_dataloader = None
test_dataloader = dict(
    batch_size=500,
    num_workers=2,
    dataset=dict(
        type=dataset_type, data_root=data_root, data_prefix='test', pipeline=test_pipeline
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
)
val_evaluator = None
test_evaluator = dict(type='LongTailMetric')
