# Ablation on CIFAR-10-LT, row 3: BCL: gamma 0, class averaging and class complement.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR.
# Memory: 1.8 GiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/ablation/resnet32_cifar10_lt_3_bcl.py
_base_ = '../bcl/resnet32_cifar10_lt.py'
