# Rebalanced Contrastive Learning (arXiv 2312.01753) on Places-LT with ResNet-152.
# Recipe: PaCo's schedule for Places-LT (Cui et al., ICCV 2021) and BCL's losses and views for
# ImageNet-LT; BCL gives none for Places-LT, views sim-sim, with RCL's loss.
# Memory: at most 4.3 GiB: that is the figure of float32, counted (docs/recipes.md).
# python tools/train.py configs/rcl/resnet152_places_lt.py
_base_ = '../cross_entropy/resnet152_places_lt.py'

train_dataloader = dict(dataset=dict(pipeline=_base_.three_view_pipeline))

model = dict(
    data_preprocessor=dict(view_augments=_base_.sim_sim_views),
    head=dict(
        _delete_=True,
        type='RCLHead',
        num_classes=365,
        in_channels=2048,
        embedding_dim=1024,
        hidden_dim=2048,
        classifier='cosine',
        classifier_scale=30.0,
        loss=dict(type='RCLLoss', temperature=0.07, cls_weight=1.0, con_weight=0.35),
    ),
)
