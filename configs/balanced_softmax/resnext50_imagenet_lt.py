# Balanced softmax (Ren et al., NeurIPS 2020) on ImageNet-LT with ResNeXt-50.
# Recipe: BCL's for ImageNet-LT (Zhu et al., CVPR 2022), without the contrastive branch.
# Memory: 14.0 GiB in bfloat16, counted, not measured (docs/recipes.md).
# python tools/train.py configs/balanced_softmax/resnext50_imagenet_lt.py
_base_ = '../cross_entropy/resnext50_imagenet_lt.py'

model = dict(head=dict(loss=dict(_delete_=True, type='BalancedSoftmaxLoss')))
