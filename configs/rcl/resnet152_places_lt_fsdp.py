# RCL on Places-LT with ResNet-152 on 8 GPUs, parameters, gradients and optimizer state sharded
# over them (FSDP): for backbones that do not fit on one GPU with all three.
# Recipe: PaCo's schedule for Places-LT (Cui et al., ICCV 2021) and BCL's losses and views for
# ImageNet-LT; BCL gives none for Places-LT.
# Memory: not measured.
# bash tools/dist_train.sh configs/rcl/resnet152_places_lt_fsdp.py 8
_base_ = './resnet152_places_lt_8gpu.py'

runner_type = 'FlexibleRunner'
strategy = dict(
    type='ResumableFSDPStrategy',
    # One file that any number of processes can load, with or without FSDP.
    state_dict_cfg='full',
    model_wrapper=dict(
        type='MMFullyShardedDataParallel',
        use_orig_params=True,
        auto_wrap_policy=dict(type='wrap_blocks', blocks=['Bottleneck']),
    ),
)
# The strategy does not convert batch norms: the model names the synchronised ones itself.
sync_bn = None
model = dict(
    backbone=dict(norm_cfg=dict(type='SyncBN')),
    head=dict(norm_cfg=dict(type='SyncBN')),
)
