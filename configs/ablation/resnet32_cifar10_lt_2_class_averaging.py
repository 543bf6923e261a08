# Ablation on CIFAR-10-LT, row 2: + class averaging: gamma 0, no class complement.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR.
# Memory: 1.8 GiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/ablation/resnet32_cifar10_lt_2_class_averaging.py
_base_ = '../supcon/resnet32_cifar10_lt.py'

model = dict(head=dict(loss=dict(class_averaging=True)))
