# Cross-entropy on ImageNet-LT with ResNeXt-50: the baseline of the twins in balanced_softmax/,
# ldam_drw/, supcon/, bcl/ and rcl/.
# Recipe: BCL's for ImageNet-LT (Zhu et al., CVPR 2022), without the contrastive branch.
# Memory: 14.0 GiB in bfloat16, counted, not measured (docs/recipes.md).
# python tools/train.py configs/cross_entropy/resnext50_imagenet_lt.py
_base_ = [
    '../_base_/datasets/imagenet_lt.py',
    '../_base_/models/resnext50.py',
    '../_base_/schedules/imagenet_lt.py',
    '../_base_/default_runtime.py',
]

# The best on val is kept apart; the result of a run is its last epoch on test.
default_hooks = dict(
    checkpoint=dict(max_keep_ckpts=1, save_best='long_tail/balanced', rule='greater')
)
custom_hooks = [dict(type='ClassCountsHook'), dict(type='ChannelsLastHook')]
