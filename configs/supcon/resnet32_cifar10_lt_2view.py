# SupCon beside balanced softmax on CIFAR-10-LT in its two-view form: both views in both branches,
# a third less compute than three views.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR, but for the views.
# Memory: 1.2 GiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/supcon/resnet32_cifar10_lt_2view.py
_base_ = './resnet32_cifar10_lt.py'

model = dict(data_preprocessor=dict(view_augments=_base_.two_views))
