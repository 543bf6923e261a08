# Your own images, data_root/{train,val}/<class>/*: --cfg-options data_root=FOLDER says it all.
# Without a val folder a fifth of each class is held out, never all of it.
dataset_type = 'FolderLT'
data_root = None

crop = dict(type='RandomResizedCrop', scale=224, crop_ratio_range=(0.2, 1.0), backend='pillow')
flip = dict(type='RandomFlip', prob=0.5, direction='horizontal')
# View 0 is the classifier's, views 1 and 2 are the contrastive loss's, as in BCL's ImageNet recipe.
randcls_view = [
    crop,
    flip,
    dict(type='RandomColorJitter', brightness=0.4, contrast=0.4, saturation=0.4),
    dict(type='TimmRandAugment', config='rand-n2-m10-mstd0.5'),
]
sim_view = [
    crop,
    flip,
    dict(type='RandomColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, prob=0.8),
    dict(
        type='RandomGrayscale', prob=0.2, keep_channels=True, channel_weights=(0.114, 0.587, 0.299)
    ),
]
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ReproducibleMultiView', transforms=[randcls_view, sim_view], num_views=[1, 2]),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=256, edge='short', backend='pillow'),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs'),
]

train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    dataset=dict(type=dataset_type, split='train', pipeline=train_pipeline),
    sampler=dict(type='ReproducibleSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    dataset=dict(type=dataset_type, split='val', pipeline=test_pipeline, test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
)
# The test folder, or, where there is none, the same images as val.
test_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    dataset=dict(type=dataset_type, split='test', pipeline=test_pipeline, test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
)
val_evaluator = dict(type='LongTailMetric')
test_evaluator = dict(type='LongTailMetric')
