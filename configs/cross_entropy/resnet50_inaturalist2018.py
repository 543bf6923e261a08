# Cross-entropy on iNaturalist 2018 with ResNet-50: the baseline of the twins in
# balanced_softmax/, ldam_drw/, supcon/, bcl/ and rcl/.
# Recipe: BCL's for iNaturalist 2018 (Zhu et al., CVPR 2022), without the contrastive branch.
# Memory: 11.2 GiB in bfloat16, counted, not measured (docs/recipes.md).
# python tools/train.py configs/cross_entropy/resnet50_inaturalist2018.py
_base_ = [
    '../_base_/datasets/inaturalist2018.py',
    '../_base_/models/resnet50.py',
    '../_base_/schedules/inaturalist2018.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(mean=[118.83, 120.105, 96.9], std=[49.725, 49.47, 48.96]),
    head=dict(num_classes=8142),
)
default_hooks = dict(checkpoint=dict(max_keep_ckpts=1))
custom_hooks = [dict(type='ClassCountsHook'), dict(type='ChannelsLastHook')]
