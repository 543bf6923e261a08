# Ablation on Digits-LT, row 4: BCL + rebalanced softmax: gamma 1, feature scale 1.
# Recipe: ours.
# Memory: 80 MiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/ablation/resnet8_digits_lt_4_rebalanced.py
_base_ = '../bcl/resnet8_digits_lt.py'

model = dict(head=dict(loss=dict(prior_power=1.0)))
