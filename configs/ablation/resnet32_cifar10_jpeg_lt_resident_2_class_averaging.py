# Ablation on long-tailed CIFAR-10 (JPEG), images in memory, row 2: + class averaging: gamma 0, no
# class complement.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR.
# Memory: 1.8 GiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/ablation/resnet32_cifar10_jpeg_lt_resident_2_class_averaging.py
_base_ = '../supcon/resnet32_cifar10_jpeg_lt_resident.py'

model = dict(head=dict(loss=dict(class_averaging=True)))
