"""Necks for backbones that give tokens."""

from typing import Optional, Tuple, Union

from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor

from rcl_mm.errors import InputError
from rcl_mm.models.timm_backbone import TokenLayout, layout_of


@MODELS.register_module()
class TokenPooling(BaseModule):
    """From tokens to one feature per image, for backbones such as timm's vision transformers.

    MMPretrain's transformers do this themselves (``out_type``); under ``TIMMBackbone`` a vision
    transformer gives all its tokens (N, L, d), and timm's Swin a channels-last map (N, H, W, d).

    Args:
        pool (str): 'cls', the class token, or 'mean', the mean of all but the prefix tokens.
            Defaults to 'cls'.
        num_prefix_tokens (int, optional): Class and register tokens before the image's, which
            'mean' leaves out. Defaults to what the timm model says, and to 1 for tokens from
            elsewhere; a map has none.

    Raises:
        InputError: If ``pool`` is unknown, the class token of a map or of a model without one is
            asked for, or the model has another number of prefix tokens.

    Example:
        >>> model = dict(
        ...     type='ImageClassifier',
        ...     backbone=dict(type='TIMMBackbone', model_name='vit_small_patch16_224'),
        ...     neck=dict(type='TokenPooling', pool='cls'),
        ...     head=dict(type='RCLHead', num_classes=100, in_channels=384))
    """

    def __init__(self, pool: str = 'cls', num_prefix_tokens: Optional[int] = None) -> None:
        super().__init__()
        if pool not in ('cls', 'mean'):
            raise InputError(f"pool is {pool!r}, allowed are 'cls' and 'mean'")
        if num_prefix_tokens is not None and num_prefix_tokens < (pool == 'cls'):
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
        prefix = self._prefix_tokens(layout_of(tokens))
        if self.pool == 'cls':
            return (tokens[:, 0],)
        return (tokens[:, prefix:].mean(dim=1),)

    def _prefix_tokens(self, layout: Optional[TokenLayout]) -> int:
        """Number of tokens before the image's; refuses what the model does not have."""
        if layout is None:
            return 1 if self.num_prefix_tokens is None else self.num_prefix_tokens
        if self.pool == 'cls' and not layout.has_class_token:
            raise InputError(
                f"TokenPooling(pool='cls'): {layout.model} has no class token, its first one is of "
                "the image or a register: use pool='mean'"
            )
        if self.num_prefix_tokens not in (None, layout.num_prefix_tokens):
            raise InputError(
                f'TokenPooling(num_prefix_tokens={self.num_prefix_tokens}): {layout.model} has '
                f'{layout.num_prefix_tokens}: leave the number out'
            )
        return layout.num_prefix_tokens
