# BCL (Zhu et al., CVPR 2022) on CIFAR-10-LT, 400 epochs.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR, twice as long.
# Memory: 1.8 GiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/bcl/resnet32_cifar10_lt_400e.py
_base_ = './resnet32_cifar10_lt.py'

param_scheduler = _base_.param_scheduler_400e
train_cfg = dict(max_epochs=400)
