"""Necks for backbones that give tokens."""

from typing import Tuple, Union

from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor

from rcl_mm.errors import InputError


@MODELS.register_module()
class TokenPooling(BaseModule):
    """From tokens to one feature per image, for backbones such as timm's vision transformers.

    MMPretrain's transformers do this themselves (``out_type``); under ``TIMMBackbone`` a vision
    transformer gives all its tokens (N, L, d), and timm's Swin a channels-last map (N, H, W, d).

    Args:
        pool (str): 'cls', the first token, or 'mean', the mean of all but the prefix tokens.
            Defaults to 'cls'.
        num_prefix_tokens (int): Class and register tokens before the image's, which 'mean' leaves
            out. Defaults to 1; a map has none.

    Raises:
        InputError: If ``pool`` is unknown, or the class token of a map is asked for.

    Example:
        >>> model = dict(
        ...     type='ImageClassifier',
        ...     backbone=dict(type='TIMMBackbone', model_name='vit_small_patch16_224'),
        ...     neck=dict(type='TokenPooling', pool='cls'),
        ...     head=dict(type='RCLHead', num_classes=100, in_channels=384))
    """

    def __init__(self, pool: str = 'cls', num_prefix_tokens: int = 1) -> None:
        super().__init__()
        if pool not in ('cls', 'mean'):
            raise InputError(f"pool is {pool!r}, allowed are 'cls' and 'mean'")
        if num_prefix_tokens < (pool == 'cls'):
            raise InputError(
                f'num_prefix_tokens is {num_prefix_tokens}, allowed is 0 or more, and 1 or more '
                "with pool='cls'"
            )
        self.pool = pool
        self.num_prefix_tokens = num_prefix_tokens

    def forward(self, inputs: Union[Tensor, Tuple[Tensor, ...]]) -> Tuple[Tensor]:
        """Features (N, d) of the last stage, as a tuple of one.

        Args:
            inputs (Tensor | tuple[Tensor]): Tokens (N, L, d) or channels-last maps (N, H, W, d);
                of several stages the last is used.
        """
        tokens = inputs[-1] if isinstance(inputs, (tuple, list)) else inputs
        if tokens.ndim == 4 and self.pool == 'mean':
            return (tokens.mean(dim=(1, 2)),)
        if tokens.ndim != 3:
            raise InputError(
                f'TokenPooling(pool={self.pool!r}) got features of shape {tuple(tokens.shape)}, '
                "needed are tokens (N, L, d), or with pool='mean' a channels-last map (N, H, W, d)"
            )
        if self.pool == 'cls':
            return (tokens[:, 0],)
        return (tokens[:, self.num_prefix_tokens :].mean(dim=1),)
