# BCL on ImageNet-LT with ResNeXt-50, contrastive views sim-rand.
# Recipe: BCL's for ImageNet-LT (Zhu et al., CVPR 2022).
# Memory: 81.2 GiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/bcl/resnext50_imagenet_lt_sim_rand.py
_base_ = './resnext50_imagenet_lt.py'

train_dataloader = dict(dataset=dict(pipeline=_base_.sim_rand_pipeline))
