# RCL on ImageNet-LT with ResNeXt-50 in its two-view form: both views in both branches, a third
# less compute than three views.
# Recipe: BCL's for ImageNet-LT (Zhu et al., CVPR 2022), but for the views.
# Memory: 28.0 GiB in bfloat16, counted, not measured (docs/recipes.md).
# python tools/train.py configs/rcl/resnext50_imagenet_lt_2view.py
_base_ = './resnext50_imagenet_lt.py'

train_dataloader = dict(dataset=dict(pipeline=_base_.two_view_pipeline))
model = dict(data_preprocessor=dict(view_augments=_base_.two_views))
