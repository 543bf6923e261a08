# SupCon (Khosla et al., NeurIPS 2020) beside balanced softmax on iNaturalist 2018 with ResNet-50.
# Recipe: BCL's for iNaturalist 2018 (Zhu et al., CVPR 2022), without class averaging and
# prototypes.
# Memory: 32.5 GiB in bfloat16, counted, not measured (docs/recipes.md).
# python tools/train.py configs/supcon/resnet50_inaturalist2018.py
_base_ = '../bcl/resnet50_inaturalist2018.py'

model = dict(head=dict(prototypes=None, loss=dict(class_averaging=False)))
