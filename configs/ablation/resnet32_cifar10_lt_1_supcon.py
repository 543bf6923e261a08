# Ablation on CIFAR-10-LT, row 1: SupCon + balanced softmax: gamma 0, no class averaging, no class
# complement.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR.
# Memory: 1.8 GiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/ablation/resnet32_cifar10_lt_1_supcon.py
_base_ = '../supcon/resnet32_cifar10_lt.py'
