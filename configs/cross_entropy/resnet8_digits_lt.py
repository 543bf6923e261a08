# Cross-entropy on Digits-LT: the baseline of the twins in balanced_softmax/, supcon/, bcl/ and
# rcl/.
# Recipe: ours, sized for a CPU.
# Memory: 80 MiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/cross_entropy/resnet8_digits_lt.py
_base_ = [
    '../_base_/datasets/digits_lt.py',
    '../_base_/models/resnet8_digits.py',
    '../_base_/schedules/digits_lt.py',
    '../_base_/default_runtime.py',
]

default_hooks = dict(
    logger=dict(interval=5),
    checkpoint=dict(interval=20),
)
