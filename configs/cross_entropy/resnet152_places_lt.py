# Cross-entropy on Places-LT with ResNet-152: the baseline of the twins in balanced_softmax/,
# ldam_drw/, supcon/, bcl/ and rcl/.
# Recipe: PaCo's schedule for Places-LT (Cui et al., ICCV 2021) and BCL's losses and views for
# ImageNet-LT; BCL gives none for Places-LT, without the contrastive branch.
# Memory: at most 1.6 GiB: that is the figure of float32, counted (docs/recipes.md).
# python tools/train.py configs/cross_entropy/resnet152_places_lt.py
_base_ = [
    '../_base_/datasets/places_lt.py',
    '../_base_/models/resnet152.py',
    '../_base_/schedules/places_lt.py',
    '../_base_/default_runtime.py',
]

# The best on val is kept apart; the result of a run is its last epoch on test.
default_hooks = dict(
    checkpoint=dict(max_keep_ckpts=1, save_best='long_tail/balanced', rule='greater')
)
custom_hooks = [dict(type='ClassCountsHook'), dict(type='ChannelsLastHook')]
