"""Losses, head, preprocessor and backbone in MMEngine's root registry."""

from .backbones import CIFARResNet
from .cosine_head import CosineClsHead
from .device_crop import DeviceCropPreprocessor
from .digits_augment import DigitsAugment
from .heads import RCLHead
from .imagenet_augments import RandClsAugment, SimAugment
from .ldam import LDAMLoss
from .losses import BalancedSoftmaxLoss, RCLLoss
from .necks import TokenPooling
from .preprocessors import MultiViewDataPreprocessor
from .projectors import ContrastiveProjector, CosineClassifier
from .timm_backbone import FrozenTIMMBackbone
from .view_augments import CifarClsAugment, CifarSimAugment, ViewAugment

__all__ = [
    'BalancedSoftmaxLoss',
    'CIFARResNet',
    'CifarClsAugment',
    'CifarSimAugment',
    'ContrastiveProjector',
    'CosineClassifier',
    'CosineClsHead',
    'DeviceCropPreprocessor',
    'DigitsAugment',
    'FrozenTIMMBackbone',
    'LDAMLoss',
    'MultiViewDataPreprocessor',
    'RCLHead',
    'RCLLoss',
    'RandClsAugment',
    'SimAugment',
    'TokenPooling',
    'ViewAugment',
]
