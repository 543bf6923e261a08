"""From backbone features and classifier weights to unit-norm embeddings and prototypes."""

from typing import Optional

import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn

from rcl_mm.functional import at_least_float32


@MODELS.register_module()
class ContrastiveProjector(BaseModule):
    """BCL's projector: Linear - norm - ReLU - Linear, then L2 (METHOD: u = g(f)/|g(f)|).

    Args:
        in_channels (int): Channels d of the features.
        out_channels (int): Dimension D of the embeddings.
        hidden_channels (int, optional): Width of the hidden layer. Defaults to ``in_channels``.
        norm_cfg (dict): Norm of the hidden layer. Defaults to ``dict(type='BN1d')``.
        init_cfg (dict, optional): Initialisation. Defaults to None, which is PyTorch's.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hidden_channels: Optional[int] = None,
        norm_cfg: Optional[dict] = None,
        init_cfg: Optional[dict] = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        hidden_channels = hidden_channels or in_channels
        _, norm = build_norm_layer(norm_cfg or dict(type='BN1d'), hidden_channels)
        self.layers = nn.Sequential(
            nn.Linear(in_channels, hidden_channels),
            norm,
            nn.ReLU(inplace=True),
            nn.Linear(hidden_channels, out_channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Features (M, d) to unit-norm embeddings (M, D), float32 at least."""
        return F.normalize(at_least_float32(self.layers(features)), dim=1)


class CosineClassifier(nn.Linear):
    """Class scores ``scale * cos(f, w_c)``, as BCL on ImageNet-LT and iNaturalist.

    Args:
        in_channels (int): Channels d of the features.
        num_classes (int): Number of classes C.
        scale (float): Scale of the cosine. Defaults to 30.
    """

    def __init__(self, in_channels: int, num_classes: int, scale: float = 30.0) -> None:
        super().__init__(in_channels, num_classes, bias=False)
        self.scale = scale

    def forward(self, features: Tensor) -> Tensor:
        """Features (M, d) to class scores (M, C)."""
        weight = F.normalize(self.weight, dim=1)
        return self.scale * F.linear(F.normalize(features, dim=1), weight)
