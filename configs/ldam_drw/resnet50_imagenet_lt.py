# LDAM-DRW (Cao et al., NeurIPS 2019) on ImageNet-LT with ResNet-50.
# Recipe: max_m 0.5, s 30, re-weighting after 80% of the epochs as on CIFAR-LT; all else as the
# twins.
# Memory: 10.9 GiB in bfloat16, counted, not measured (docs/recipes.md).
# python tools/train.py configs/ldam_drw/resnet50_imagenet_lt.py
_base_ = '../cross_entropy/resnet50_imagenet_lt.py'

model = dict(head=dict(loss=dict(_delete_=True, type='LDAMLoss', scale=30.0)))
custom_hooks = [
    dict(type='ClassCountsHook'),
    dict(type='ChannelsLastHook'),
    dict(type='DeferredReweightingHook', begin=72),
]
