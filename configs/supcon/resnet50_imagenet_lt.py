# SupCon (Khosla et al., NeurIPS 2020) beside balanced softmax on ImageNet-LT with ResNet-50.
# Recipe: BCL's for ImageNet-LT (Zhu et al., CVPR 2022), without class averaging and prototypes.
# Memory: 32.3 GiB in bfloat16, counted, not measured (docs/recipes.md).
# python tools/train.py configs/supcon/resnet50_imagenet_lt.py
_base_ = '../bcl/resnet50_imagenet_lt.py'

model = dict(head=dict(prototypes=None, loss=dict(class_averaging=False)))
