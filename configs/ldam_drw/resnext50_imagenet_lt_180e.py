# LDAM-DRW (Cao et al., NeurIPS 2019) on ImageNet-LT with ResNeXt-50, 180 epochs.
# Recipe: BCL's for ImageNet-LT (Zhu et al., CVPR 2022), twice as long.
# Memory: 14.0 GiB in bfloat16, counted, not measured (docs/recipes.md).
# python tools/train.py configs/ldam_drw/resnext50_imagenet_lt_180e.py
_base_ = './resnext50_imagenet_lt.py'

param_scheduler = _base_.param_scheduler_180e
train_cfg = dict(max_epochs=180)
custom_hooks = [
    dict(type='ClassCountsHook'),
    dict(type='ChannelsLastHook'),
    dict(type='DeferredReweightingHook', begin=144),
]
