# 30 epochs of SGD at batch 128 from a pre-trained backbone, as PaCo (Cui et al., ICCV 2021) on
# Places-LT: warm-up lr / w * (e + 1) over w = 5 epochs, then cosine by epoch,
# lr * 0.5 * (1 + cos(pi * (e - w + 1) / (E - w + 1))).
optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1 / 5, by_epoch=True, begin=0, end=5),
    dict(type='CosineAnnealingLR', T_max=26, last_step=0, by_epoch=True, begin=5, end=30),
]
train_cfg = dict(by_epoch=True, max_epochs=30, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=128)
