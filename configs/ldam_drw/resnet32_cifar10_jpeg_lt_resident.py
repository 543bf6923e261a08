# LDAM-DRW (Cao et al., NeurIPS 2019) on long-tailed CIFAR-10 (JPEG), images kept in memory and
# augmented on the device.
# Recipe: max_m 0.5, s 30, re-weighting from epoch 160; all else as the twins.
# Memory: 604 MiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/ldam_drw/resnet32_cifar10_jpeg_lt_resident.py
_base_ = '../cross_entropy/resnet32_cifar10_jpeg_lt_resident.py'

model = dict(
    head=dict(
        type='CosineClsHead', scale=30.0, loss=dict(_delete_=True, type='LDAMLoss', scale=30.0)
    )
)
custom_hooks = [
    dict(type='ClassCountsHook'),
    dict(type='DeferredReweightingHook', begin=160),
]
