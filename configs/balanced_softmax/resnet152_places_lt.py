# Balanced softmax (Ren et al., NeurIPS 2020) on Places-LT with ResNet-152.
# Recipe: PaCo's schedule for Places-LT (Cui et al., ICCV 2021) and BCL's losses and views for
# ImageNet-LT; BCL gives none for Places-LT, without the contrastive branch.
# Memory: at most 1.6 GiB: that is the figure of float32, counted (docs/recipes.md).
# python tools/train.py configs/balanced_softmax/resnet152_places_lt.py
_base_ = '../cross_entropy/resnet152_places_lt.py'

model = dict(head=dict(loss=dict(_delete_=True, type='BalancedSoftmaxLoss')))
