# ResNeXt-50 32x4d with a cosine classifier of scale 30, as BCL on ImageNet-LT.
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(
        type='DeviceCropPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
        channels_last=True,
        # One for each view that the loader chose crops for: here the classifier's alone.
        view_augments=[dict(type='RandClsAugment')],
    ),
    backbone=dict(
        type='ResNeXt',
        depth=50,
        groups=32,
        width_per_group=4,
        out_indices=(3,),
        zero_init_residual=False,
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='CosineClsHead',
        num_classes=1000,
        in_channels=2048,
        scale=30.0,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
    ),
)
