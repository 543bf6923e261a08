# Ablation on Digits-LT, row 3: BCL: gamma 0, class averaging and class complement.
# Recipe: ours.
# Memory: 80 MiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/ablation/resnet8_digits_lt_3_bcl.py
_base_ = '../bcl/resnet8_digits_lt.py'
