# Cross-entropy on CIFAR-100-LT with ResNet-32: the baseline of the twins in balanced_softmax/,
# ldam_drw/, supcon/, bcl/ and rcl/.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR, without its contrastive branch.
# Other imbalance: --cfg-options imbalance_factor=50
# Memory: 604 MiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/cross_entropy/resnet32_cifar100_lt.py
_base_ = [
    '../_base_/datasets/cifar100_lt.py',
    '../_base_/models/resnet32_cifar.py',
    '../_base_/schedules/cifar_lt.py',
    '../_base_/default_runtime.py',
]

model = dict(data_preprocessor=dict(view_augments=_base_.one_view), head=dict(num_classes=100))
default_hooks = dict(checkpoint=dict(interval=20, max_keep_ckpts=1))
