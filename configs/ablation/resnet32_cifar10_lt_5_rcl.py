# Ablation on CIFAR-10-LT, row 5: RCL: gamma 1, scaled features.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR.
# Memory: 1.8 GiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/ablation/resnet32_cifar10_lt_5_rcl.py
_base_ = '../rcl/resnet32_cifar10_lt.py'
