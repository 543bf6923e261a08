# BCL (Zhu et al., CVPR 2022) on ImageNet-LT with ResNet-50, 180 epochs.
# Recipe: BCL's for ImageNet-LT (Zhu et al., CVPR 2022), twice as long.
# Memory: 32.4 GiB in bfloat16, counted, not measured (docs/recipes.md).
# python tools/train.py configs/bcl/resnet50_imagenet_lt_180e.py
_base_ = './resnet50_imagenet_lt.py'

param_scheduler = _base_.param_scheduler_180e
train_cfg = dict(max_epochs=180)
