# ResNet-152 with torchvision's ImageNet weights and a cosine classifier of scale 30. The stem and
# the first three stages stay as they are; the last stage and the head are trained (PaCo trains only
# the last block of that stage).
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
        type='ResNet',
        depth=152,
        out_indices=(3,),
        frozen_stages=3,
        norm_eval=False,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet152.imagenet1k_v1'),
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='CosineClsHead',
        num_classes=365,
        in_channels=2048,
        scale=30.0,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
    ),
)
