"""Where the loss's Triton kernels serve."""

import warnings
from functools import cache
from types import ModuleType
from typing import Optional

import torch
from torch import Tensor


def kernels_for(tensor: Tensor) -> Optional[ModuleType]:
    """:mod:`rcl_mm.contrast_kernels` for float32 on the current GPU, if Triton runs there.

    None for all else, and under torch.compile, which makes kernels of its own.
    """
    if tensor.device.type != 'cuda' or tensor.dtype != torch.float32:
        return None
    if torch.compiler.is_compiling() or tensor.device.index != torch.cuda.current_device():
        return None
    return _kernels(tensor.device)


@cache
def _kernels(device: torch.device) -> Optional[ModuleType]:
    """The kernels, once they have run on this device."""
    try:
        from rcl_mm import contrast_kernels

        contrast_kernels.try_out(device)
    except Exception as error:  # no Triton, no C compiler, a GPU that Triton does not know
        reason = f'{type(error).__name__}: {error}'.strip().splitlines()[0]
        warnings.warn(
            f'the contrastive loss runs without its Triton kernels on {device} ({reason}): the '
            'same values, slower. Triton comes with PyTorch for CUDA and needs a C compiler',
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    return contrast_kernels
