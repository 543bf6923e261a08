# BCL (Zhu et al., CVPR 2022) on ImageNet-LT with ResNeXt-50: RCL without the balancing by class
# frequency.
# Recipe: BCL's for ImageNet-LT (Zhu et al., CVPR 2022), views sim-sim.
# Memory: 41.8 GiB in bfloat16, counted, not measured (docs/recipes.md).
# python tools/train.py configs/bcl/resnext50_imagenet_lt.py
_base_ = '../rcl/resnext50_imagenet_lt.py'

model = dict(head=dict(loss=dict(prior_power=0.0, feature_scale=1.0)))
