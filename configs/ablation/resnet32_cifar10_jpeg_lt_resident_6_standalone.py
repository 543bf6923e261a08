# Ablation on long-tailed CIFAR-10 (JPEG), images in memory, row 6: RCL standalone: as row 5,
# without the classifier (alpha 0).
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR.
# Memory: 1.2 GiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/ablation/resnet32_cifar10_jpeg_lt_resident_6_standalone.py
_base_ = '../rcl/resnet32_cifar10_jpeg_lt_standalone_resident.py'
