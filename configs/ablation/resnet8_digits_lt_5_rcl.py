# Ablation on Digits-LT, row 5: RCL: gamma 1, scaled features.
# Recipe: ours.
# Memory: 80 MiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/ablation/resnet8_digits_lt_5_rcl.py
_base_ = '../rcl/resnet8_digits_lt.py'
