# BCL on ImageNet-LT with ResNeXt-50, contrastive views rand-rand.
# Recipe: BCL's for ImageNet-LT (Zhu et al., CVPR 2022).
# Memory: 41.8 GiB in bfloat16, counted, not measured (docs/recipes.md).
# python tools/train.py configs/bcl/resnext50_imagenet_lt_rand_rand.py
_base_ = './resnext50_imagenet_lt.py'

model = dict(data_preprocessor=dict(view_augments=_base_.rand_rand_views))
