"""Random views of whole batches: what is drawn, and the operations; no data set, no model."""

from rcl_mm.augment.digits import DigitsAugment
from rcl_mm.augment.draws import DrawIndex, sample_draws, uniforms
from rcl_mm.augment.imagenet import RandClsAugment, SimAugment
from rcl_mm.augment.views import CifarClsAugment, CifarSimAugment, ViewAugment

__all__ = [
    'CifarClsAugment',
    'CifarSimAugment',
    'DigitsAugment',
    'DrawIndex',
    'RandClsAugment',
    'SimAugment',
    'ViewAugment',
    'sample_draws',
    'uniforms',
]
