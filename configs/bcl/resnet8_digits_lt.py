# BCL (Zhu et al., CVPR 2022) on Digits-LT: RCL without the balancing by class frequency.
# Recipe: ours, sized for a CPU.
# Memory: 80 MiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/bcl/resnet8_digits_lt.py
_base_ = '../rcl/resnet8_digits_lt.py'

model = dict(head=dict(loss=dict(prior_power=0.0, feature_scale=1.0)))
