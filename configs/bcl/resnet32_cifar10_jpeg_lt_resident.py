# BCL (Zhu et al., CVPR 2022) on long-tailed CIFAR-10 (JPEG), images kept in memory and augmented
# on the device.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR.
# Memory: 1.8 GiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/bcl/resnet32_cifar10_jpeg_lt_resident.py
_base_ = '../rcl/resnet32_cifar10_jpeg_lt_resident.py'

model = dict(head=dict(loss=dict(prior_power=0.0, feature_scale=1.0)))
