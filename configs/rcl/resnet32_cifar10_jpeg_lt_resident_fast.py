# The same run as resnet32_cifar10_jpeg_lt_resident.py, faster on a GPU: bfloat16, channels-last
# memory, the backbone through torch.compile.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR.
# Memory: 1 GiB of GPU memory.
# python tools/train.py configs/rcl/resnet32_cifar10_jpeg_lt_resident_fast.py
_base_ = './resnet32_cifar10_jpeg_lt_resident.py'

model = dict(data_preprocessor=dict(channels_last=True))
optim_wrapper = dict(type='AmpOptimWrapper', dtype='bfloat16', optimizer=dict(fused=True))
custom_hooks = [dict(type='ClassCountsHook'), dict(type='CompileHook', modules=['backbone'])]
default_hooks = dict(
    logger=dict(interval=40),
    checkpoint=dict(interval=40, max_keep_ckpts=1),
)
