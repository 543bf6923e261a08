# Ablation on Digits-LT, row 6: RCL standalone: as row 5, without the classifier (alpha 0).
# Recipe: ours.
# Memory: 80 MiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/ablation/resnet8_digits_lt_6_standalone.py
_base_ = '../rcl/resnet8_digits_lt_standalone.py'
