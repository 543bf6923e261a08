# SupCon (Khosla et al., NeurIPS 2020) beside balanced softmax on Digits-LT.
# Recipe: ours, sized for a CPU.
# Memory: 80 MiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/supcon/resnet8_digits_lt.py
_base_ = '../bcl/resnet8_digits_lt.py'

model = dict(head=dict(prototypes=None, loss=dict(class_averaging=False)))
