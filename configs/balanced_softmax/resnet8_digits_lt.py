# Balanced softmax (Ren et al., NeurIPS 2020) on Digits-LT.
_base_ = '../cross_entropy/resnet8_digits_lt.py'

model = dict(head=dict(loss=dict(_delete_=True, type='BalancedSoftmaxLoss')))
