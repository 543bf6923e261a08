"""Gather with gradients: every rank's embeddings as keys on every rank."""

from typing import Tuple

import torch
import torch.distributed as dist
from torch import Tensor


class _AllGather(torch.autograd.Function):
    """Concatenate equal-sized tensors of all ranks; backward sums their gradients."""

    @staticmethod
    def forward(ctx, tensor: Tensor) -> Tensor:
        parts = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, tensor.contiguous())
        ctx.rows = len(tensor)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        grad = grad.contiguous()
        dist.all_reduce(grad)
        start = dist.get_rank() * ctx.rows
        return grad[start : start + ctx.rows]


def gather_embeddings(embeddings: Tensor, labels: Tensor) -> Tuple[Tensor, Tensor, int, int]:
    """Embeddings and labels of all ranks, in rank order, with gradients to the rank they came from.

    Args:
        embeddings (Tensor): This rank's embeddings, shape (M, D).
        labels (Tensor): Their labels, shape (M, ).

    Returns:
        tuple[Tensor, Tensor, int, int]: Embeddings (K, D), labels (K, ), the row at which this
        rank's own begin, and the number of ranks. Without a process group: the inputs, 0 and 1.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return embeddings, labels, 0, 1
    keys = _AllGather.apply(embeddings)
    key_labels = _AllGather.apply(labels)
    return keys, key_labels, dist.get_rank() * len(labels), dist.get_world_size()
