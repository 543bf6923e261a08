# RCL on ImageNet-LT with ResNeXt-50 on 8 GPUs: the same batch in all, batch norm and loss over
# all GPUs.
# Recipe: BCL's for ImageNet-LT (Zhu et al., CVPR 2022).
# Memory: 5.6 GiB on each GPU in bfloat16, counted, not measured (docs/recipes.md).
# bash tools/dist_train.sh configs/rcl/resnext50_imagenet_lt_8gpu.py 8
_base_ = './resnext50_imagenet_lt.py'

sync_bn = 'torch'
train_dataloader = dict(batch_size=32, num_workers=8)
val_dataloader = dict(batch_size=64)
test_dataloader = dict(batch_size=64)
