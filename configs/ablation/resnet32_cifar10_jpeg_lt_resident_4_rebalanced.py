# Ablation on long-tailed CIFAR-10 (JPEG), images in memory, row 4: BCL + rebalanced softmax:
# gamma 1, feature scale 1.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR.
# Memory: 1.8 GiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/ablation/resnet32_cifar10_jpeg_lt_resident_4_rebalanced.py
_base_ = '../bcl/resnet32_cifar10_jpeg_lt_resident.py'

model = dict(head=dict(loss=dict(prior_power=1.0)))
