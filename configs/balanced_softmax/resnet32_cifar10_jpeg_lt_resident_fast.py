# Balanced softmax (Ren et al., NeurIPS 2020) on long-tailed CIFAR-10 (JPEG), faster on a GPU.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR, without its contrastive branch.
# Memory: not measured.
# python tools/train.py configs/balanced_softmax/resnet32_cifar10_jpeg_lt_resident_fast.py
_base_ = '../cross_entropy/resnet32_cifar10_jpeg_lt_resident_fast.py'

model = dict(head=dict(loss=dict(_delete_=True, type='BalancedSoftmaxLoss')))
