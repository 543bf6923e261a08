# Standalone RCL on Places-LT with ResNet-152: no cross-entropy; the prototypes are learnable
# vectors, and a class is predicted by the most similar one.
# Recipe: PaCo's schedule for Places-LT (Cui et al., ICCV 2021) and BCL's losses and views for
# ImageNet-LT; BCL gives none for Places-LT, the contrastive views alone.
# Memory: at most 3.0 GiB: that is the figure of float32, counted (docs/recipes.md).
# python tools/train.py configs/rcl/resnet152_places_lt_standalone.py
_base_ = './resnet152_places_lt.py'

train_dataloader = dict(dataset=dict(pipeline=_base_.two_view_pipeline))
model = dict(
    data_preprocessor=dict(view_augments=_base_.contrastive_views),
    head=dict(
        classifier=None,
        prototypes='learnable',
        loss=dict(cls_weight=0.0, con_weight=1.0),
    ),
)
