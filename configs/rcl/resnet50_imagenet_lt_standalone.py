# Standalone RCL on ImageNet-LT with ResNet-50: no cross-entropy; the prototypes are learnable
# vectors, and a class is predicted by the most similar one.
# Recipe: BCL's for ImageNet-LT (Zhu et al., CVPR 2022), the contrastive views alone.
# Memory: 21.6 GiB in bfloat16, counted, not measured (docs/recipes.md).
# python tools/train.py configs/rcl/resnet50_imagenet_lt_standalone.py
_base_ = './resnet50_imagenet_lt.py'

train_dataloader = dict(dataset=dict(pipeline=_base_.two_view_pipeline))
model = dict(
    data_preprocessor=dict(view_augments=_base_.contrastive_views),
    head=dict(
        classifier=None,
        prototypes='learnable',
        loss=dict(cls_weight=0.0, con_weight=1.0),
    ),
)
