# Rebalanced Contrastive Learning on Digits-LT.
# Recipe: ours, sized for a CPU.
# Memory: 80 MiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/rcl/resnet8_digits_lt.py
_base_ = '../cross_entropy/resnet8_digits_lt.py'

model = dict(
    data_preprocessor=dict(repeat_samples=False),
    head=dict(
        _delete_=True,
        type='RCLHead',
        num_classes=10,
        in_channels=64,
        embedding_dim=128,
        # The feature scale is the best on the validation split (docs/results.md).
        loss=dict(
            type='RCLLoss',
            temperature=0.1,
            feature_scale=0.7071,
            cls_weight=1.0,
            con_weight=0.3,
        ),
    ),
)
