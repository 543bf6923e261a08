"""Buffers of a model that differ from rank to rank, such as the statistics of batch norm.

A checkpoint has those of the first rank. The others' training does not depend on them, but their
part of the validation does.
"""

from typing import Dict, List

import torch
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor

Buffers = Dict[str, Tensor]


def _named_buffers(runner: Runner) -> Buffers:
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return dict(model.named_buffers())


def own_buffers(runner: Runner) -> Buffers:
    """Copies of this rank's buffers; nothing where there is one process."""
    if runner.world_size == 1:
        return {}
    return {name: buffer.detach().cpu().clone() for name, buffer in _named_buffers(runner).items()}


def differing_buffers(of_ranks: List[Buffers]) -> List[Buffers]:
    """For each rank the buffers in which it differs from the first one; empty if none does."""
    first = of_ranks[0]
    differing = [
        {name: buffer for name, buffer in buffers.items() if not torch.equal(buffer, first[name])}
        for buffers in of_ranks
    ]
    return differing if any(differing) else []


def set_buffers(runner: Runner, buffers: Buffers) -> None:
    """Put back this rank's own buffers."""
    named = _named_buffers(runner)
    for name, buffer in buffers.items():
        named[name].copy_(buffer)
