"""timm backbones that stay as they were pre-trained."""

import functools
from typing import Any, Callable, NamedTuple, Optional, Tuple

import torch
from mmengine.registry import MODELS
from mmpretrain.models.backbones import TIMMBackbone
from torch import Tensor, nn


class TokenLayout(NamedTuple):
    """Which of a transformer's tokens are not of a part of the image.

    Attributes:
        model (str): Class of the timm model, for messages.
        num_prefix_tokens (int): Class and register tokens, which come first.
        has_class_token (bool): Whether the first one is a class token.
    """

    model: str
    num_prefix_tokens: int
    has_class_token: bool


def token_layout(model: nn.Module) -> TokenLayout:
    """The layout that a timm model says it has."""
    has_class_token = getattr(model, 'has_class_token', None)
    if has_class_token is None:
        has_class_token = isinstance(getattr(model, 'cls_token', None), Tensor)
    prefix = getattr(model, 'num_prefix_tokens', None)
    return TokenLayout(
        type(model).__name__,
        int(has_class_token) if prefix is None else int(prefix),
        bool(has_class_token),
    )


def _saying_token_layout(forward: Callable) -> Callable:
    """MMPretrain's backbone gives bare tokens: here they say what they are, for a neck to ask."""

    @functools.wraps(forward)
    def forward_and_say(self: TIMMBackbone, x: Tensor) -> Tuple[Any, ...]:
        features = forward(self, x)
        for tokens in features:
            if isinstance(tokens, Tensor) and tokens.ndim == 3:
                tokens.token_layout = token_layout(self.timm_model)
        return features

    return forward_and_say


def layout_of(tokens: Tensor) -> Optional[TokenLayout]:
    """The layout of tokens (N, L, d) of a timm backbone; None if they come from elsewhere."""
    return getattr(tokens, 'token_layout', None)


if not hasattr(TIMMBackbone.forward, '__wrapped__'):
    TIMMBackbone.forward = _saying_token_layout(TIMMBackbone.forward)


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
