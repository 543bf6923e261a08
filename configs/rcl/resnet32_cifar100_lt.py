# Rebalanced Contrastive Learning (arXiv 2312.01753) on CIFAR-100-LT with ResNet-32.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR, with RCL's loss.
# Other imbalance: --cfg-options imbalance_factor=50
# Memory: 1.8 GiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/rcl/resnet32_cifar100_lt.py
_base_ = '../cross_entropy/resnet32_cifar100_lt.py'

model = dict(
    data_preprocessor=dict(view_augments=_base_.three_views),
    head=dict(
        _delete_=True,
        type='RCLHead',
        num_classes=100,
        in_channels=64,
        embedding_dim=128,
        hidden_dim=512,
        loss=dict(type='RCLLoss', temperature=0.1, cls_weight=2.0, con_weight=0.6),
    ),
)
