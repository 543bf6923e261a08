# Ablation on Digits-LT, row 1: SupCon + balanced softmax: gamma 0, no class averaging, no class
# complement.
# Recipe: ours.
# Memory: 80 MiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/ablation/resnet8_digits_lt_1_supcon.py
_base_ = '../supcon/resnet8_digits_lt.py'
