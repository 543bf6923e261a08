# RCL on ImageNet-LT with ResNet-50 on 8 GPUs: the same batch in all, batch norm and loss over all
# GPUs.
# Recipe: BCL's for ImageNet-LT (Zhu et al., CVPR 2022).
# Memory: 4.4 GiB on each GPU in bfloat16, counted, not measured (docs/recipes.md).
# bash tools/dist_train.sh configs/rcl/resnet50_imagenet_lt_8gpu.py 8
_base_ = './resnet50_imagenet_lt.py'

sync_bn = 'torch'
train_dataloader = dict(batch_size=32, num_workers=8)
val_dataloader = dict(batch_size=64)
test_dataloader = dict(batch_size=64)
