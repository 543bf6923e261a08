# RCL on Places-LT with ResNet-152 in its two-view form: both views in both branches, a third less
# compute than three views.
# Recipe: PaCo's schedule for Places-LT (Cui et al., ICCV 2021) and BCL's losses and views for
# ImageNet-LT; BCL gives none for Places-LT, but for the views.
# Memory: at most 3.0 GiB: that is the figure of float32, counted (docs/recipes.md).
# python tools/train.py configs/rcl/resnet152_places_lt_2view.py
_base_ = './resnet152_places_lt.py'

train_dataloader = dict(dataset=dict(pipeline=_base_.two_view_pipeline))
model = dict(data_preprocessor=dict(view_augments=_base_.two_views))
