# Balanced softmax (Ren et al., NeurIPS 2020) on long-tailed CIFAR-10 (JPEG), images kept in
# memory and augmented on the device.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR, without its contrastive branch.
# Memory: 604 MiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/balanced_softmax/resnet32_cifar10_jpeg_lt_resident.py
_base_ = '../cross_entropy/resnet32_cifar10_jpeg_lt_resident.py'

model = dict(head=dict(loss=dict(_delete_=True, type='BalancedSoftmaxLoss')))
