# Ablation on Digits-LT, row 1: SupCon + balanced softmax: gamma 0, no class averaging, no class
# complement.
# Recipe: ours.
# Memory: not measured.
# python tools/train.py configs/ablation/resnet8_digits_lt_1_supcon.py
_base_ = '../supcon/resnet8_digits_lt.py'
