# Balanced softmax (Ren et al., NeurIPS 2020) on long-tailed CIFAR-10 (JPEG).
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR, without its contrastive branch.
# Memory: 604 MiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/balanced_softmax/resnet32_cifar10_jpeg_lt.py
_base_ = '../cross_entropy/resnet32_cifar10_jpeg_lt.py'

model = dict(head=dict(loss=dict(_delete_=True, type='BalancedSoftmaxLoss')))
