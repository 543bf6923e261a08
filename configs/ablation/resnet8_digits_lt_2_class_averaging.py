# Ablation on Digits-LT, row 2: + class averaging: gamma 0, no class complement.
# Recipe: ours.
# Memory: 80 MiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/ablation/resnet8_digits_lt_2_class_averaging.py
_base_ = '../supcon/resnet8_digits_lt.py'

model = dict(head=dict(loss=dict(class_averaging=True)))
