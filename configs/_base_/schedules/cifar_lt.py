# SGD at batch 256 as in the rebuilt CIFAR recipe of BCL: warm-up lr / w * (e + 1) by epoch, then
# steps. 200 epochs; the 400-epoch and 20-epoch configs take the other lists.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.15, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1 / 5, by_epoch=True, begin=0, end=5),
    dict(type='MultiStepLR', milestones=[160, 180], gamma=0.1, by_epoch=True, end=200),
]
param_scheduler_400e = [
    dict(type='LinearLR', start_factor=1 / 10, by_epoch=True, begin=0, end=10),
    dict(type='MultiStepLR', milestones=[360, 380], gamma=0.1, by_epoch=True, end=400),
]
param_scheduler_20e = [
    dict(type='LinearLR', start_factor=1 / 2, by_epoch=True, begin=0, end=2),
    dict(type='MultiStepLR', milestones=[16, 18], gamma=0.1, by_epoch=True, end=20),
]
train_cfg = dict(by_epoch=True, max_epochs=200)
val_cfg = None
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=256)
