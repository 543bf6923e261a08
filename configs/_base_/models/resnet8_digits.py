# ResNet-8 with a linear classifier, each view an image of its own: the baseline's model.
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(
        type='MultiViewDataPreprocessor',
        mean=[127.5, 127.5, 127.5],
        std=[127.5, 127.5, 127.5],
        to_rgb=True,
        repeat_samples=True,
    ),
    backbone=dict(type='CIFARResNet', depth=8),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=64,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
    ),
)
