# BCL (Zhu et al., CVPR 2022) on ImageNet-LT with ResNet-50: RCL without the balancing by class
# frequency.
# Recipe: BCL's for ImageNet-LT (Zhu et al., CVPR 2022), views sim-sim.
# Memory: 32.4 GiB in bfloat16, counted, not measured (docs/recipes.md).
# python tools/train.py configs/bcl/resnet50_imagenet_lt.py
_base_ = '../rcl/resnet50_imagenet_lt.py'

model = dict(head=dict(loss=dict(prior_power=0.0, feature_scale=1.0)))
