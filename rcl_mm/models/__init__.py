"""Losses, head, preprocessor and backbone in MMEngine's root registry."""

from rcl_mm.models.backbones import CIFARResNet
from rcl_mm.models.cosine_head import CosineClsHead
from rcl_mm.models.device_crop import DeviceCropPreprocessor
from rcl_mm.models.heads import RCLHead
from rcl_mm.models.ldam import LDAMLoss
from rcl_mm.models.losses import BalancedSoftmaxLoss, RCLLoss
from rcl_mm.models.necks import TokenPooling
from rcl_mm.models.preprocessors import MultiViewDataPreprocessor
from rcl_mm.models.projectors import ContrastiveProjector, CosineClassifier
from rcl_mm.models.timm_backbone import FrozenTIMMBackbone

__all__ = [
    'BalancedSoftmaxLoss',
    'CIFARResNet',
    'ContrastiveProjector',
    'CosineClassifier',
    'CosineClsHead',
    'DeviceCropPreprocessor',
    'FrozenTIMMBackbone',
    'LDAMLoss',
    'MultiViewDataPreprocessor',
    'RCLHead',
    'RCLLoss',
    'TokenPooling',
]
