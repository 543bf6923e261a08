# Standalone RCL on long-tailed CIFAR-10 (JPEG): a short
# protocol for processors, with ResNet-8, a tenth of the epochs and bfloat16. Its figures are not
# comparable with those of the full recipe.
# Recipe: the full one's, its learning rate dropped at the same shares of the epochs.
# Memory: not measured.
# python tools/train.py configs/rcl/resnet8_cifar10_jpeg_lt_20e_standalone_resident.py
_base_ = './resnet32_cifar10_jpeg_lt_standalone_resident.py'

model = dict(backbone=dict(depth=8))
optim_wrapper = dict(type='AmpOptimWrapper', dtype='bfloat16')
param_scheduler = _base_.param_scheduler_20e
train_cfg = dict(max_epochs=20)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=5))
