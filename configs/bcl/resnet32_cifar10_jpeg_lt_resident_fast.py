# BCL (Zhu et al., CVPR 2022) on long-tailed CIFAR-10 (JPEG), faster on a GPU: RCL without the
# balancing by class frequency.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR.
# Memory: 1 GiB of GPU memory.
# python tools/train.py configs/bcl/resnet32_cifar10_jpeg_lt_resident_fast.py
_base_ = '../rcl/resnet32_cifar10_jpeg_lt_resident_fast.py'

model = dict(head=dict(loss=dict(prior_power=0.0, feature_scale=1.0)))
