# Balanced softmax (Ren et al., NeurIPS 2020) on iNaturalist 2018 with ResNet-50.
# Recipe: BCL's for iNaturalist 2018 (Zhu et al., CVPR 2022), without the contrastive branch.
# Memory: 11.2 GiB in bfloat16, counted, not measured (docs/recipes.md).
# python tools/train.py configs/balanced_softmax/resnet50_inaturalist2018.py
_base_ = '../cross_entropy/resnet50_inaturalist2018.py'

model = dict(head=dict(loss=dict(_delete_=True, type='BalancedSoftmaxLoss')))
