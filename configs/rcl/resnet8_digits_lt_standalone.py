# Standalone RCL on Digits-LT: no cross-entropy; the prototypes are learnable vectors, and a class
# is predicted by the most similar one.
# Recipe: ours, as its twin.
# Memory: 80 MiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/rcl/resnet8_digits_lt_standalone.py
_base_ = './resnet8_digits_lt.py'

model = dict(
    head=dict(
        classifier=None,
        prototypes='learnable',
        loss=dict(cls_weight=0.0, con_weight=1.0),
    ),
)
