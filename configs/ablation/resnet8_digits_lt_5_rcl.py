# Ablation on Digits-LT, row 5: RCL: gamma 1, scaled features.
# Recipe: ours.
# Memory: not measured.
# python tools/train.py configs/ablation/resnet8_digits_lt_5_rcl.py
_base_ = '../rcl/resnet8_digits_lt.py'
