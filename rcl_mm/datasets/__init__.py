"""Data sets, samplers and transforms for long-tailed training."""

from .augmentations import (
    RandomColorJitter,
    RandomCutout,
    TimmRandAugment,
    TorchvisionAutoAugment,
)
from .digits import DigitsLT
from .draws import DrawIndex, sample_draws, uniforms
from .long_tailed import LongTailedDataset, long_tailed_counts, select_long_tailed
from .samplers import ReproducibleSampler
from .transforms import ReproducibleMultiView, ReproducibleView

__all__ = [
    'DigitsLT',
    'DrawIndex',
    'LongTailedDataset',
    'RandomColorJitter',
    'RandomCutout',
    'ReproducibleMultiView',
    'ReproducibleSampler',
    'ReproducibleView',
    'TimmRandAugment',
    'TorchvisionAutoAugment',
    'long_tailed_counts',
    'sample_draws',
    'select_long_tailed',
    'uniforms',
]
