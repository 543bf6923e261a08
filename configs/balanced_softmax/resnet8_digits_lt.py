# Balanced softmax (Ren et al., NeurIPS 2020) on Digits-LT.
# Recipe: ours, sized for a CPU.
# Memory: 80 MiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/balanced_softmax/resnet8_digits_lt.py
_base_ = '../cross_entropy/resnet8_digits_lt.py'

model = dict(head=dict(loss=dict(_delete_=True, type='BalancedSoftmaxLoss')))
