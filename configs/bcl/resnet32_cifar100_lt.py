# BCL (Zhu et al., CVPR 2022) on CIFAR-100-LT: RCL without the balancing by class frequency.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR.
# Memory: 1.8 GiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/bcl/resnet32_cifar100_lt.py
_base_ = '../rcl/resnet32_cifar100_lt.py'

model = dict(head=dict(loss=dict(prior_power=0.0, feature_scale=1.0)))
