# SupCon (Khosla et al., NeurIPS 2020) beside balanced softmax on CIFAR-10-LT.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR, without class averaging and
# prototypes.
# Memory: 1.8 GiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/supcon/resnet32_cifar10_lt.py
_base_ = '../bcl/resnet32_cifar10_lt.py'

model = dict(head=dict(prototypes=None, loss=dict(class_averaging=False)))
