# RCL on Places-LT with ResNet-152 on 8 GPUs: the same batch in all, batch norm and loss over all
# GPUs.
# Recipe: PaCo's schedule for Places-LT (Cui et al., ICCV 2021) and BCL's losses and views for
# ImageNet-LT; BCL gives none for Places-LT.
# Memory: at most 891 MiB on each GPU: that is the figure of float32, counted (docs/recipes.md).
# bash tools/dist_train.sh configs/rcl/resnet152_places_lt_8gpu.py 8
_base_ = './resnet152_places_lt.py'

sync_bn = 'torch'
train_dataloader = dict(batch_size=16, num_workers=8)
val_dataloader = dict(batch_size=64)
test_dataloader = dict(batch_size=64)
