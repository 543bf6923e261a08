# Your own images, data_root/{train,val}/<class>/*: --cfg-options data_root=FOLDER says it all.
# Without a val folder a fifth of each class is held out, never all of it.
dataset_type = 'FolderLT'
data_root = None

# The loader decodes and chooses crops, the device cuts and augments them: the model's preprocessor
# is DeviceCropPreprocessor with these view_augments. View 0 is the classifier's, views 1 and 2 are
# the contrastive loss's, as in BCL's ImageNet recipe.
# Own transforms instead: a train_pipeline with ReproducibleMultiView and PackInputs, and
# MultiViewDataPreprocessor; the loader takes both.
view_augments = [dict(type='RandClsAugment'), dict(type='SimAugment'), dict(type='SimAugment')]
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='CropOnDevice', num_views=3, crop_scale=(0.2, 1.0)),
    dict(type='PackFast'),
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
    collate_fn=dict(type='fast_collate'),
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
