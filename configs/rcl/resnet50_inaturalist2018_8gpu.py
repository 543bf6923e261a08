# RCL on iNaturalist 2018 with ResNet-50 on 8 GPUs: the same batch in all, batch norm and loss
# over all GPUs.
# Recipe: BCL's for iNaturalist 2018 (Zhu et al., CVPR 2022).
# Memory: 4.8 GiB on each GPU in bfloat16, counted, not measured (docs/recipes.md).
# bash tools/dist_train.sh configs/rcl/resnet50_inaturalist2018_8gpu.py 8
_base_ = './resnet50_inaturalist2018.py'

sync_bn = 'torch'
train_dataloader = dict(batch_size=32, num_workers=8)
test_dataloader = dict(batch_size=64)
