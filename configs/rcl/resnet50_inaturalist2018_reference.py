# RCL on iNaturalist 2018 with ResNet-50, in the form that matches BCL to the pixel:
# the views by Pillow, torchvision and timm, one by one on the CPU, and float32. Slower than
# resnet50_inaturalist2018.py by far; the same recipe.
# Recipe: BCL's for iNaturalist 2018 (Zhu et al., CVPR 2022), views sim-sim, with RCL's loss.
# Memory: 62.5 GiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/rcl/resnet50_inaturalist2018_reference.py
_base_ = ['./resnet50_inaturalist2018.py', '../_base_/datasets/pillow_views.py']

train_dataloader = dict(
    num_workers=12,
    dataset=dict(pipeline=_base_.pillow_pipeline),
    collate_fn=dict(_delete_=True, type='default_collate'),
)
model = dict(
    data_preprocessor=dict(
        _delete_=True,
        type='MultiViewDataPreprocessor',
        mean=[118.83, 120.105, 96.9],
        std=[49.725, 49.47, 48.96],
        to_rgb=True,
    ),
)
optim_wrapper = dict(_delete_=True, type='OptimWrapper', optimizer=_base_.optim_wrapper.optimizer)
custom_hooks = [dict(type='ClassCountsHook')]
