# The recipe of resnext50_imagenet_lt.py on its fast path: the loader only decodes, the views are
# cut and augmented on the GPU; bfloat16, channels-last memory, fused SGD, the backbone through
# torch.compile. docs/performance.md has the figures and says what differs: rotations and shears by
# bilinear interpolation only, no truncation to whole grey levels between colour operations.
# Recipe: BCL's for ImageNet-LT (Zhu et al., CVPR 2022), views sim-sim, with RCL's loss.
# Memory: not measured.
# python tools/train.py configs/rcl/resnext50_imagenet_lt_fast.py
_base_ = './resnext50_imagenet_lt.py'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='CropOnDevice', num_views=3, size=224),
    dict(type='PackFast'),
]
train_dataloader = dict(
    # A core decodes about 700 images a second; more workers than the GPU needs only take memory.
    num_workers=8,
    prefetch_factor=4,
    pin_memory=True,
    dataset=dict(pipeline=train_pipeline),
    collate_fn=dict(type='fast_collate'),
)

model = dict(
    data_preprocessor=dict(
        type='DeviceCropPreprocessor',
        view_size=224,
        channels_last=True,
        # View 0 is the classifier's, views 1 and 2 are the contrastive loss's.
        view_augments=[
            dict(type='RandClsAugment', compile=True),
            dict(type='SimAugment', compile=True),
            dict(type='SimAugment', compile=True),
        ],
    ),
)
optim_wrapper = dict(type='AmpOptimWrapper', dtype='bfloat16', optimizer=dict(fused=True))
custom_hooks = [
    dict(type='ClassCountsHook'),
    dict(type='ChannelsLastHook'),
    dict(type='CompileHook', modules=['backbone']),
]
