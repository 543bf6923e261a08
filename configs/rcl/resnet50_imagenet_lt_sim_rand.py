# RCL on ImageNet-LT with ResNet-50, contrastive views sim-rand.
# Recipe: BCL's for ImageNet-LT (Zhu et al., CVPR 2022).
# Memory: 32.4 GiB in bfloat16, counted, not measured (docs/recipes.md).
# python tools/train.py configs/rcl/resnet50_imagenet_lt_sim_rand.py
_base_ = './resnet50_imagenet_lt.py'

model = dict(data_preprocessor=dict(view_augments=_base_.sim_rand_views))
