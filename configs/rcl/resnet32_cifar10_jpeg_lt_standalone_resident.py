# Standalone RCL on long-tailed CIFAR-10 (JPEG), images kept in memory and augmented on the
# device.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR, its contrastive views alone.
# Memory: 1.2 GiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/rcl/resnet32_cifar10_jpeg_lt_standalone_resident.py
_base_ = './resnet32_cifar10_jpeg_lt_resident.py'

model = dict(
    data_preprocessor=dict(
        view_augments=[dict(type='CifarSimAugment'), dict(type='CifarSimAugment')]
    ),
    head=dict(
        classifier=None,
        prototypes='learnable',
        loss=dict(cls_weight=0.0, con_weight=1.0),
    ),
)
