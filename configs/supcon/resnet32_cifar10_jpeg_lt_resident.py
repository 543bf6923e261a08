# SupCon (Khosla et al., NeurIPS 2020) beside balanced softmax on long-tailed CIFAR-10 (JPEG),
# images kept in memory and augmented on the device.
# Recipe: BCL's for CIFAR-LT as rebuilt by ConCutMix and CUDA_LTR, without class averaging and
# prototypes.
# Memory: 1.8 GiB in float32, counted, not measured (docs/recipes.md).
# python tools/train.py configs/supcon/resnet32_cifar10_jpeg_lt_resident.py
_base_ = '../bcl/resnet32_cifar10_jpeg_lt_resident.py'

model = dict(head=dict(prototypes=None, loss=dict(class_averaging=False)))
