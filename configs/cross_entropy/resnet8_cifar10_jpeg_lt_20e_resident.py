# Cross-entropy on long-tailed CIFAR-10 (JPEG): a short protocol for
# processors, with ResNet-8 and a fifth of the epochs. Its figures are not comparable with those of
# the full recipe.
# Recipe: the full one's, its learning rate dropped at the same shares of the epochs.
# Memory: not measured.
# python tools/train.py configs/cross_entropy/resnet8_cifar10_jpeg_lt_40e_resident.py
_base_ = './resnet32_cifar10_jpeg_lt_resident.py'

model = dict(backbone=dict(depth=8))
param_scheduler = _base_.param_scheduler_40e
train_cfg = dict(max_epochs=40)
