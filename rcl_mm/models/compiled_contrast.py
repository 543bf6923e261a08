"""The contrastive loss through torch.compile, or as a CUDA graph."""

from typing import Callable, Union

import torch
from torch import Tensor

from rcl_mm.functional import rebalanced_contrastive_loss
from rcl_mm.models.graphed_contrast import GraphedContrast

# The modes of torch.compile that record kernels once and replay them as one CUDA graph.
GRAPH_MODES = ('reduce-overhead', 'max-autotune')
MODES = ('default', *GRAPH_MODES, 'max-autotune-no-cudagraphs')
# Recorded as it is, without torch.compile.
CUDA_GRAPH = 'cuda-graph'


def compiled_contrast(mode: Union[bool, str]) -> Callable[..., Tensor]:
    """:func:`rcl_mm.functional.rebalanced_contrastive_loss`, compiled at its first call.

    Args:
        mode (bool | str): True for torch.compile's default, one of :data:`MODES`, or 'cuda-graph'
            for :class:`GraphedContrast`.

    Raises:
        ValueError: For an unknown mode.
    """
    if mode == CUDA_GRAPH:
        return GraphedContrast()
    mode = 'default' if mode is True else mode
    if mode not in MODES:
        allowed = (*MODES, CUDA_GRAPH)
        raise ValueError(f'compile={mode!r} is unknown, allowed are True, False and {allowed}')
    compiled = torch.compile(rebalanced_contrastive_loss, mode=mode)
    if mode not in GRAPH_MODES:
        return compiled

    def contrast(*args, **kwargs) -> Tensor:
        # A CUDA graph writes each result over the one before, which the log may not have read.
        return compiled(*args, **kwargs).clone()

    return contrast
