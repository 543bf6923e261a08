# LDAM-DRW (Cao et al., NeurIPS 2019) on Places-LT with ResNet-152.
# Recipe: max_m 0.5, s 30, re-weighting after 80% of the epochs as on CIFAR-LT; all else as the
# twins.
# Memory: at most 1.6 GiB: that is the figure of float32, counted (docs/recipes.md).
# python tools/train.py configs/ldam_drw/resnet152_places_lt.py
_base_ = '../cross_entropy/resnet152_places_lt.py'

model = dict(head=dict(loss=dict(_delete_=True, type='LDAMLoss', scale=30.0)))
custom_hooks = [
    dict(type='ClassCountsHook'),
    dict(type='ChannelsLastHook'),
    dict(type='DeferredReweightingHook', begin=24),
]
