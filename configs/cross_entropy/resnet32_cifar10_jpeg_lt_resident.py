# Cross-entropy on long-tailed CIFAR-10 (JPEG), images kept in memory and augmented on the device:
# the baseline of the twins of this name.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR, without its contrastive branch.
# Memory: 604 MiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/cross_entropy/resnet32_cifar10_jpeg_lt_resident.py
_base_ = './resnet32_cifar10_jpeg_lt.py'

# Resident images are RGB.
model = dict(data_preprocessor=dict(to_rgb=False, view_augments=[dict(type='CifarClsAugment')]))
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        _delete_=True,
        type='ResidentDataset',
        dataset=dict(
            type='LongTailedDataset',
            imbalance_type=_base_.imbalance_type,
            imbalance_factor=_base_.imbalance_factor,
            dataset=dict(
                type=_base_.dataset_type,
                data_root=_base_.data_root,
                data_prefix='train',
                pipeline=[],
            ),
        ),
    ),
    collate_fn=dict(type='resident_collate'),
)
test_dataloader = dict(
    num_workers=0,
    dataset=dict(
        _delete_=True,
        type='ResidentDataset',
        dataset=dict(
            type=_base_.dataset_type,
            data_root=_base_.data_root,
            data_prefix='test',
            pipeline=[],
        ),
    ),
    collate_fn=dict(type='resident_collate'),
)
