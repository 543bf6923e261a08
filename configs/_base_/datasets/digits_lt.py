# Digits-LT: scikit-learn's handwritten digits, 32x32, offline. Every method trains on the same two
# views of each image, drawn from the same random numbers.
imbalance_type = 'exp'
imbalance_factor = 50
dataset_type = 'DigitsLT'

view = [
    dict(type='RandomResizedCrop', scale=32, crop_ratio_range=(0.5, 1.0)),
    dict(
        type='Rotate',
        magnitude_range=(0.0, 15.0),
        magnitude_level=7,
        magnitude_std=5,
        prob=0.8,
        pad_val=[0, 0, 0],
    ),
    dict(type='RandomColorJitter', brightness=0.4, contrast=0.4, backend='cv2'),
    dict(type='RandomCutout', length=8, prob=0.5),
]
train_pipeline = [
    dict(type='ReproducibleMultiView', transforms=[view], num_views=[2]),
    dict(type='PackInputs'),
]
test_pipeline = [dict(type='PackInputs')]

train_dataloader = dict(
    batch_size=64,
    num_workers=1,
    persistent_workers=True,
    dataset=dict(
        type=dataset_type,
        split='train',
        imbalance_type=imbalance_type,
        imbalance_factor=imbalance_factor,
        pipeline=train_pipeline,
    ),
    sampler=dict(type='ReproducibleSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
)
val_dataloader = dict(
    batch_size=250,
    num_workers=0,
    dataset=dict(type=dataset_type, split='val', pipeline=test_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
)
test_dataloader = dict(
    batch_size=250,
    num_workers=0,
    dataset=dict(type=dataset_type, split='test', pipeline=test_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
)
val_evaluator = dict(type='LongTailMetric')
test_evaluator = dict(type='LongTailMetric')
