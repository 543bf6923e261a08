# For choosing settings of RCL on CIFAR-10 (JPEG)-LT: 40 epochs with the steps inside, judged on 500
# validation images per class that the long-tailed training set leaves. Test images are never seen.
# Recipe: the full one, a fifth as long, its learning rate dropped at the same shares of the epochs.
# Memory: 1 GiB of GPU memory.
# python tools/train.py configs/rcl/resnet32_cifar10_jpeg_lt_tune.py
_base_ = './resnet32_cifar10_jpeg_lt_resident_fast.py'

# Fewer images of the largest class, so that it has validation images too.
train_dataloader = dict(dataset=dict(dataset=dict(img_max=4500)))
val_dataloader = dict(
    _delete_=True,
    batch_size=500,
    num_workers=0,
    dataset=dict(
        type='ResidentDataset',
        dataset=dict(
            type='LongTailedDataset',
            imbalance_type=_base_.imbalance_type,
            imbalance_factor=_base_.imbalance_factor,
            img_max=4500,
            held_out=500,
            dataset=dict(
                type=_base_.dataset_type,
                data_root=_base_.data_root,
                data_prefix='train',
                pipeline=[],
            ),
        ),
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='resident_collate'),
)
val_evaluator = dict(_delete_=True, type='LongTailMetric')
val_cfg = dict(_delete_=True)
param_scheduler = [
    dict(type='LinearLR', start_factor=1 / 5, by_epoch=True, begin=0, end=5),
    dict(type='MultiStepLR', milestones=[32, 36], gamma=0.1, by_epoch=True, end=40),
]
train_cfg = dict(max_epochs=40, val_interval=40)
