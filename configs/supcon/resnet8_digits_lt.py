# SupCon (Khosla et al., NeurIPS 2020) beside balanced softmax on Digits-LT.
_base_ = '../bcl/resnet8_digits_lt.py'

model = dict(head=dict(prototypes=None, loss=dict(class_averaging=False)))
