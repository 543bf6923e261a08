# Ablation on CIFAR-10-LT, row 4: BCL + rebalanced softmax: gamma 1, feature scale 1.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR.
# Memory: 1.8 GiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/ablation/resnet32_cifar10_lt_4_rebalanced.py
_base_ = '../bcl/resnet32_cifar10_lt.py'

model = dict(head=dict(loss=dict(prior_power=1.0)))
