"""Losses, head, preprocessor and backbone in MMEngine's root registry."""

from .backbones import CIFARResNet
from .heads import RCLHead
from .losses import BalancedSoftmaxLoss, RCLLoss
from .preprocessors import MultiViewDataPreprocessor
from .projectors import ContrastiveProjector, CosineClassifier

__all__ = [
    'BalancedSoftmaxLoss',
    'CIFARResNet',
    'ContrastiveProjector',
    'CosineClassifier',
    'MultiViewDataPreprocessor',
    'RCLHead',
    'RCLLoss',
]
