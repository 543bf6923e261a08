# RCL on Places-LT with ResNet-152, in the form that matches BCL to the pixel:
# the views by Pillow, torchvision and timm, one by one on the CPU, and float32. Slower than
# resnet152_places_lt.py by far; the same recipe.
# Recipe: PaCo's schedule for Places-LT (Cui et al., ICCV 2021) and BCL's losses and views for
# ImageNet-LT; BCL gives none for Places-LT, views sim-sim, with RCL's loss.
# Memory: 4.3 GiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/rcl/resnet152_places_lt_reference.py
_base_ = ['./resnet152_places_lt.py', '../_base_/datasets/pillow_views.py']

train_dataloader = dict(
    num_workers=12,
    dataset=dict(pipeline=_base_.pillow_pipeline),
    collate_fn=dict(_delete_=True, type='default_collate'),
)
model = dict(
    data_preprocessor=dict(
        _delete_=True,
        type='MultiViewDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
    ),
)
optim_wrapper = dict(_delete_=True, type='OptimWrapper', optimizer=_base_.optim_wrapper.optimizer)
custom_hooks = [dict(type='ClassCountsHook')]
