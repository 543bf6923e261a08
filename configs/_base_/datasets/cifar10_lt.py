# CIFAR-10-LT: the community's long-tailed subset of CIFAR-10 (Cao et al., NeurIPS 2019), image by
# image, where data_root has the original files or all images in {train,test}/<class>/*.png. Folders
# whose training images are long-tailed already are taken as they are: say "own subset" then.
# Images are kept in memory as RGB; views as in the rebuilt CIFAR recipe of BCL, on the device.
# There is no validation split: train to the end and test the last epoch.
imbalance_type = 'exp'
imbalance_factor = 100
dataset_type = 'CIFARLT'
data_root = 'data/cifar10'

# The strong view of the classifier: crop, mirror, AutoAugment, Cutout.
cls_view = dict(type='CifarClsAugment')
# The views of the contrastive loss: crop and resize, mirror, colour jitter, grey, blur.
sim_view = dict(type='CifarSimAugment')

# Baselines: the classifier's view alone, drawn from the same random numbers.
one_view = [cls_view]
# View 0 is the classifier's, views 1 and 2 are the contrastive loss's.
three_views = [cls_view, sim_view, sim_view]
# Both views in both branches.
two_views = [cls_view, sim_view]
# The contrastive views alone, for standalone RCL.
contrastive_views = [sim_view, sim_view]

train_dataloader = dict(
    batch_size=256,
    num_workers=0,
    dataset=dict(
        type='ResidentDataset',
        dataset=dict(
            type=dataset_type,
            data_root=data_root,
            num_classes=10,
            split='train',
            imbalance_type=imbalance_type,
            imbalance_factor=imbalance_factor,
        ),
    ),
    sampler=dict(type='ReproducibleSampler', shuffle=True),
    collate_fn=dict(type='resident_collate'),
)
val_dataloader = None
test_dataloader = dict(
    batch_size=500,
    num_workers=0,
    dataset=dict(
        type='ResidentDataset',
        dataset=dict(type=dataset_type, data_root=data_root, num_classes=10, split='test'),
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='resident_collate'),
)
val_evaluator = None
test_evaluator = dict(type='LongTailMetric')
