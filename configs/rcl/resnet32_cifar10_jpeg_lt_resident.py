# Rebalanced Contrastive Learning (arXiv 2312.01753) on long-tailed CIFAR-10 (JPEG), images kept
# in memory and augmented on the device.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR, with RCL's loss.
# Memory: 1.8 GiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/rcl/resnet32_cifar10_jpeg_lt_resident.py
_base_ = '../cross_entropy/resnet32_cifar10_jpeg_lt_resident.py'

model = dict(
    data_preprocessor=dict(
        view_augments=[
            dict(type='CifarClsAugment'),
            dict(type='CifarSimAugment'),
            dict(type='CifarSimAugment'),
        ]
    ),
    head=dict(
        _delete_=True,
        type='RCLHead',
        num_classes=10,
        in_channels=64,
        embedding_dim=128,
        hidden_dim=512,
        loss=dict(type='RCLLoss', temperature=0.1, cls_weight=2.0, con_weight=0.6),
    ),
)
