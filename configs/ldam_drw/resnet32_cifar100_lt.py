# LDAM-DRW (Cao et al., NeurIPS 2019) on CIFAR-100-LT.
# Recipe: max_m 0.5, s 30, re-weighting from epoch 160; all else as the twins.
# Memory: 604 MiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/ldam_drw/resnet32_cifar100_lt.py
_base_ = '../cross_entropy/resnet32_cifar100_lt.py'

model = dict(
    head=dict(
        type='CosineClsHead', scale=30.0, loss=dict(_delete_=True, type='LDAMLoss', scale=30.0)
    )
)
custom_hooks = [
    dict(type='ClassCountsHook'),
    dict(type='DeferredReweightingHook', begin=160),
]
