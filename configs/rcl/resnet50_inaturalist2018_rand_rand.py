# RCL on iNaturalist 2018 with ResNet-50, contrastive views rand-rand.
# Recipe: BCL's for iNaturalist 2018 (Zhu et al., CVPR 2022).
# Memory: 32.6 GiB in bfloat16, counted, not measured (docs/recipes.md).
# python tools/train.py configs/rcl/resnet50_inaturalist2018_rand_rand.py
_base_ = './resnet50_inaturalist2018.py'

model = dict(data_preprocessor=dict(view_augments=_base_.rand_rand_views))
