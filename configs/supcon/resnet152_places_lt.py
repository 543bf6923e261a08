# SupCon (Khosla et al., NeurIPS 2020) beside balanced softmax on Places-LT with ResNet-152.
# Recipe: PaCo's schedule for Places-LT (Cui et al., ICCV 2021) and BCL's losses and views for
# ImageNet-LT; BCL gives none for Places-LT, without class averaging and prototypes.
# Memory: at most 4.3 GiB: that is the figure of float32, counted (docs/recipes.md).
# python tools/train.py configs/supcon/resnet152_places_lt.py
_base_ = '../bcl/resnet152_places_lt.py'

model = dict(head=dict(prototypes=None, loss=dict(class_averaging=False)))
