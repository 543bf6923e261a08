# Rebalanced Contrastive Learning (arXiv 2312.01753) on ImageNet-LT with ResNet-50.
# Recipe: BCL's for ImageNet-LT (Zhu et al., CVPR 2022), views sim-sim, with RCL's loss.
# Memory: 32.4 GiB in bfloat16, counted, not measured (docs/recipes.md).
# python tools/train.py configs/rcl/resnet50_imagenet_lt.py
_base_ = '../cross_entropy/resnet50_imagenet_lt.py'

train_dataloader = dict(dataset=dict(pipeline=_base_.three_view_pipeline))

model = dict(
    data_preprocessor=dict(view_augments=_base_.sim_sim_views),
    head=dict(
        _delete_=True,
        type='RCLHead',
        num_classes=1000,
        in_channels=2048,
        embedding_dim=1024,
        hidden_dim=2048,
        classifier='cosine',
        classifier_scale=30.0,
        loss=dict(type='RCLLoss', temperature=0.07, cls_weight=1.0, con_weight=0.35),
    ),
)
