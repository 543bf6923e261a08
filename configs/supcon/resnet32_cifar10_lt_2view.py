# SupCon beside balanced softmax on CIFAR-10-LT in its two-view form: both views in both branches,
# a third less compute than three views.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR, but for the views.
# Memory: not measured.
# python tools/train.py configs/supcon/resnet32_cifar10_lt_2view.py
_base_ = './resnet32_cifar10_lt.py'

train_dataloader = dict(dataset=dict(dataset=dict(pipeline=_base_.two_view_pipeline)))
