# Balanced softmax (Ren et al., NeurIPS 2020) on ImageNet-LT with ResNet-50, 180 epochs.
# Recipe: BCL's for ImageNet-LT (Zhu et al., CVPR 2022), twice as long.
# Memory: 10.9 GiB in bfloat16, counted, not measured (docs/recipes.md).
# python tools/train.py configs/balanced_softmax/resnet50_imagenet_lt_180e.py
_base_ = './resnet50_imagenet_lt.py'

param_scheduler = _base_.param_scheduler_180e
train_cfg = dict(max_epochs=180)
