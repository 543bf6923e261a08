"""The contrastive loss through torch.compile."""

from typing import Callable, Union

import torch
from torch import Tensor

from rcl_mm.functional import rebalanced_contrastive_loss

# The modes of torch.compile that record kernels once and replay them as one CUDA graph.
GRAPH_MODES = ('reduce-overhead', 'max-autotune')
MODES = ('default', *GRAPH_MODES, 'max-autotune-no-cudagraphs')


def compiled_contrast(mode: Union[bool, str]) -> Callable[..., Tensor]:
    """:func:`rcl_mm.functional.rebalanced_contrastive_loss`, compiled at its first call.

    Args:
        mode (bool | str): True for torch.compile's default, or one of :data:`MODES`.

    Raises:
        ValueError: For an unknown mode.
    """
    mode = 'default' if mode is True else mode
    if mode not in MODES:
        raise ValueError(f'compile={mode!r} is unknown, allowed are True, False and {MODES}')
    compiled = torch.compile(rebalanced_contrastive_loss, mode=mode)
    if mode not in GRAPH_MODES:
        return compiled

    def contrast(*args, **kwargs) -> Tensor:
        # A CUDA graph writes each result over the one before, which the log may not have read.
        return compiled(*args, **kwargs).clone()

    return contrast
