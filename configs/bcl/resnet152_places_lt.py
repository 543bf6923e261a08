# BCL (Zhu et al., CVPR 2022) on Places-LT with ResNet-152: RCL without the balancing by class
# frequency.
# Recipe: PaCo's schedule for Places-LT (Cui et al., ICCV 2021) and BCL's losses and views for
# ImageNet-LT; BCL gives none for Places-LT, views sim-sim.
# Memory: at most 4.3 GiB: that is the figure of float32, counted (docs/recipes.md).
# python tools/train.py configs/bcl/resnet152_places_lt.py
_base_ = '../rcl/resnet152_places_lt.py'

model = dict(head=dict(loss=dict(prior_power=0.0, feature_scale=1.0)))
