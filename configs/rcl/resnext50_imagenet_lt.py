# Rebalanced Contrastive Learning (arXiv 2312.01753) on ImageNet-LT with ResNeXt-50.
# Recipe: BCL's for ImageNet-LT (Zhu et al., CVPR 2022), views sim-sim, with RCL's loss.
# Memory: 41.8 GiB in bfloat16, counted, not measured (docs/recipes.md).
# On 24 GB: --cfg-options model.backbone.with_cp=True, 15.1 GiB and a third more compute.
# With torch.compile (minutes at the first step, then 1.35 times as fast on an H200), in a config of
# yours on top of this one: custom_hooks = [*_base_.custom_hooks, dict(type='CompileHook')].
# python tools/train.py configs/rcl/resnext50_imagenet_lt.py
_base_ = '../cross_entropy/resnext50_imagenet_lt.py'

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
