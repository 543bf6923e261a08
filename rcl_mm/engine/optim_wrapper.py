"""Mixed precision on a CPU."""

from contextlib import contextmanager
from typing import Any, Iterator

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn

from rcl_mm.errors import InputError


@OPTIM_WRAPPERS.register_module()
class CPUAmpOptimWrapper(OptimWrapper):
    """``AmpOptimWrapper`` for machines without a GPU: bfloat16 autocast, no loss scaling.

    MMEngine's own wrapper asserts a GPU, because its loss scaler needs one; bfloat16 has the
    exponent range of float32 and needs no scaling. Checkpoints can be resumed with either.

    Args:
        dtype (str): 'bfloat16', the only type that is meant for training on a CPU.
        **kwargs: Arguments of ``OptimWrapper``.

    Raises:
        InputError: If another data type is asked for.
    """

    def __init__(self, dtype: str = 'bfloat16', **kwargs: Any) -> None:
        if dtype != 'bfloat16':
            raise InputError(f'dtype is {dtype!r}, allowed on a CPU is "bfloat16": leave it out')
        super().__init__(**kwargs)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Forward under autocast, on top of gradient accumulation."""
        with super().optim_context(model), torch.autocast('cpu', dtype=torch.bfloat16):
            yield
