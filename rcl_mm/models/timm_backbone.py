"""timm backbones that stay as they were pre-trained."""

from typing import Tuple

import torch
from mmengine.registry import MODELS
from mmpretrain.models.backbones import TIMMBackbone
from torch import Tensor


@MODELS.register_module()
class FrozenTIMMBackbone(TIMMBackbone):
    """MMPretrain's ``TIMMBackbone`` with fixed weights, normalisation statistics and no dropout.

    MMPretrain's own backbones have ``frozen_stages`` for this. The weights are frozen from the
    start, so that an optimizer and distributed training leave them out, and nothing is kept for a
    backward pass. Arguments and checkpoints are those of ``TIMMBackbone``.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> 'FrozenTIMMBackbone':
        """Stay in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tuple[Tensor, ...]:
        """Features of images (N, 3, H, W), without gradients."""
        return super().forward(x)
