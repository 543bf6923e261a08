# Standalone RCL on CIFAR-100-LT: no cross-entropy; the prototypes are learnable vectors, and a
# class is predicted by the most similar one.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR, its contrastive views alone.
# Memory: 1.2 GiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/rcl/resnet32_cifar100_lt_standalone.py
_base_ = './resnet32_cifar100_lt.py'
model = dict(
    data_preprocessor=dict(view_augments=_base_.contrastive_views),
    head=dict(
        classifier=None,
        prototypes='learnable',
        loss=dict(cls_weight=0.0, con_weight=1.0),
    ),
)
