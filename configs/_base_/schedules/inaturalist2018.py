# 100 epochs of SGD at batch 256, cosine by epoch without warm-up, as BCL on iNaturalist 2018:
# epoch e of E has the learning rate lr * 0.5 * (1 + cos(pi * (e + 1) / (E + 1))).
optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    optimizer=dict(type='SGD', lr=0.2, momentum=0.9, weight_decay=1e-4),
)
param_scheduler = [
    # Records the initial learning rate, which the cosine needs to start one step in (last_step).
    dict(type='ConstantLR', factor=1.0, by_epoch=True, end=1),
    dict(type='CosineAnnealingLR', T_max=101, last_step=0, by_epoch=True, begin=0, end=100),
]
train_cfg = dict(by_epoch=True, max_epochs=100)
val_cfg = None
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=256)
