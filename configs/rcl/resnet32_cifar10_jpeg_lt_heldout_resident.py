# Rebalanced Contrastive Learning (arXiv 2312.01753) on long-tailed CIFAR-10 (JPEG), for choosing
# settings: 200 training images of each class, which the long-tailed set leaves out, are the
# validation split. The largest class has 4,800 images instead of 5,000, so figures are not
# comparable with those of the other configs.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR, with RCL's loss.
# Memory: not measured.
# python tools/train.py configs/rcl/resnet32_cifar10_jpeg_lt_heldout_resident.py
_base_ = './resnet32_cifar10_jpeg_lt_resident.py'

train_dataloader = dict(dataset=dict(dataset=dict(img_max=4800)))
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
            img_max=4800,
            held_out=200,
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
train_cfg = dict(val_interval=20)
