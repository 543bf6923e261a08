# Ablation on CIFAR-100-LT, row 6: RCL standalone: as row 5, without the classifier (alpha 0).
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR.
# Memory: 1.2 GiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/ablation/resnet32_cifar100_lt_6_standalone.py
_base_ = '../rcl/resnet32_cifar100_lt_standalone.py'
