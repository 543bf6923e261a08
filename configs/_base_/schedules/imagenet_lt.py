# SGD at batch 256, cosine by epoch without warm-up, as BCL on ImageNet-LT: epoch e of E has the
# learning rate lr * 0.5 * (1 + cos(pi * (e + 1) / (E + 1))). 90 epochs; the 180-epoch configs take
# the other list.
optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [
    # Records the initial learning rate, which the cosine needs to start one step in (last_step).
    dict(type='ConstantLR', factor=1.0, by_epoch=True, end=1),
    dict(type='CosineAnnealingLR', T_max=91, last_step=0, by_epoch=True, begin=0, end=90),
]
param_scheduler_180e = [
    dict(type='ConstantLR', factor=1.0, by_epoch=True, end=1),
    dict(type='CosineAnnealingLR', T_max=181, last_step=0, by_epoch=True, begin=0, end=180),
]
train_cfg = dict(by_epoch=True, max_epochs=90, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=256)
