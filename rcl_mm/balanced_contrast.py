"""The balanced log-denominator and mean positive similarity, forward and backward.

One autograd function, because three things meet in it: the anchors x keys matrix is stored once
(above the memory budget only a chunk of its rows at a time, computed again in the backward pass,
as flash-style losses do), its gradient is written over it in place, and nothing makes an
accelerator wait. ``rcl_mm.functional`` holds the equations and calls it.
"""

import math
from contextlib import nullcontext
from typing import ContextManager, List, Optional, Tuple

import torch
from torch import Tensor

from rcl_mm.contrast_gradients import (
    add_gradients_of_chunk,
    gradients_of_equal_anchors,
    gradients_of_kept,
)
from rcl_mm.gpu_kernels import kernels_for

MEMORY_BUDGET = 64 * 2**20
"""Bytes of extra memory that the loss takes at most, unless ``chunk_size`` says otherwise."""

# A chunk with all its temporaries is at most so many times the chunk.
_CHUNK_AND_TEMPORARIES = 1.5
# Of these the mask of positives takes most, as bool while it is made and as a number: few blocks
# of rows share it out, because each operation on a block costs a start (GPU) or a barrier (CPU).
_MASK_BYTES = 1.25
_MASK_SHARE = 0.45


def without_autocast(device_type: str) -> ContextManager:
    """Full precision inside; to leave an autocast that there is not would take its time."""
    if torch.is_autocast_enabled(device_type):
        return torch.autocast(device_type, enabled=False)
    return nullcontext()


def plan_rows(anchors: int, keys: int, element_size: int, chunk_size: Optional[int] = None) -> int:
    """Anchors per chunk; all of them means that the matrix is kept for the backward pass.

    Args:
        anchors (int): Rows of the matrix, M.
        keys (int): Its columns, embeddings of all ranks and prototypes.
        element_size (int): Bytes per entry.
        chunk_size (int, optional): Anchors per chunk by the user's choice. None takes as many as
            the memory budget allows. Defaults to None.

    Returns:
        int: At least 1 and at most ``anchors``, if there are any.

    Raises:
        ValueError: If ``chunk_size`` is below 1.
    """
    if chunk_size is None:
        bytes_per_row = _CHUNK_AND_TEMPORARIES * max(keys, 1) * element_size
        chunk_size = max(1, int(MEMORY_BUDGET / bytes_per_row))
    elif chunk_size < 1:
        raise ValueError(f'chunk_size={chunk_size} must be 1 or more, or None to choose')
    return max(1, min(chunk_size, anchors))


class BalancedContrast(torch.autograd.Function):
    """For each anchor i: logsumexp of s_ik + bias over the keys k != i, minus its mean over P(i).

    With ``own_bias``, log|P(i)| is taken off, too: the positives' biases are then
    gamma log n_{y_i} - log|P(i)|. So the value is METHOD's loss with class averaging or without.

    ::

                         embeddings of all ranks (K)       prototypes (C)
        anchor i      [ s_ik + bias_k (+ own_bias_i) | s_ic + bias_{K+c} (+ own_bias_i) ]
                        -inf where k is i              own_bias: only where the key's class is y_i

    Args of ``apply``:
        embeddings (Tensor): (K, D); the anchors are its rows offset .. offset + M.
        prototypes (Tensor | None): (C, D).
        key_labels (Tensor): (K, ) int64.
        bias (Tensor): (K + C, ); -inf takes a prototype out, the lowest half of its type a key.
        own_bias (Tensor | None): (M, ).
        positives (Tensor): (M, ) number of positives of each anchor, in the embeddings' type.
        plan (tuple): offset, M, similarity scale, anchors per chunk, and the reduction: 'mean' or
            'sum' only if every anchor counts and all embeddings are anchors.

    Returns:
        Tensor: (M, ), or a scalar if reduced; the value at an anchor without positives or without
        keys is finite and has no meaning: the caller takes it out. Gradients for embeddings and
        prototypes, first order only.
    """

    @staticmethod
    def forward(
        ctx,
        embeddings: Tensor,
        prototypes: Optional[Tensor],
        key_labels: Tensor,
        bias: Tensor,
        own_bias: Tensor,
        positives: Tensor,
        plan: Tuple[int, int, float, int, str],
    ) -> Tensor:
        inputs = (embeddings, prototypes, key_labels, bias, own_bias, positives)
        _, anchors, _, rows, reduction = plan
        keep = rows >= anchors and any(ctx.needs_input_grad[:2])
        matrix = embeddings.new_empty(min(rows, anchors), len(bias))
        results = []
        for start in range(0, anchors, rows):
            chunk = matrix[: min(rows, anchors - start)]
            results += _score_chunk(chunk, start, inputs, plan, keep)
        values, totals = _join(results, embeddings)
        ctx.plan = plan
        ctx.save_for_backward(*inputs, *((matrix, totals) if keep else (None, None)))
        if reduction == 'none':
            return values.squeeze(1)
        return values.mean() if reduction == 'mean' else values.sum()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):
        *inputs, kept, totals = ctx.saved_tensors
        embeddings, prototypes = inputs[:2]
        _, anchors, _, rows, reduction = ctx.plan
        wanted = ctx.needs_input_grad[:2]
        with without_autocast(embeddings.device.type):
            if kept is not None and totals is None and reduction != 'none':
                grads = gradients_of_equal_anchors(kept, grad, inputs, ctx.plan, wanted)
            elif kept is not None:
                upstream = _over(_per_anchor(grad, ctx.plan), totals)
                grads = gradients_of_kept(kept, upstream, inputs, ctx.plan, wanted)
            else:
                grads = [torch.zeros_like(x) if w else None for x, w in zip(inputs, wanted)]
                grad = _per_anchor(grad, ctx.plan)
                matrix = embeddings.new_empty(min(rows, anchors), len(inputs[3]))
                for start in range(0, anchors, rows):
                    chunk = matrix[: min(rows, anchors - start)]
                    results = _score_chunk(chunk, start, inputs, ctx.plan, to_gradient=True)
                    chunk.mul_(_over(grad[start : start + len(chunk)], _join(results, grad)[1]))
                    add_gradients_of_chunk(grads, chunk, start, inputs, ctx.plan)
        return (*grads, None, None, None, None, None)


def _score_chunk(chunk: Tensor, start: int, inputs, plan, to_gradient: bool) -> List:
    """Values and totals (b, 1) of the anchors from ``start`` on, in blocks of rows of ``chunk``.

    ``chunk`` (b, K + C) is filled with the similarities and, block by block, overwritten: divided
    by its row's total, where there is one, it is then d value / d similarity. Without
    ``to_gradient`` what is left in it has no meaning.
    """
    embeddings, prototypes, *terms = inputs
    offset, _, scale, *_ = plan
    keys = embeddings.shape[0]
    anchor = embeddings[offset + start : offset + start + chunk.shape[0]]
    chunk[:, :keys].addmm_(anchor, embeddings.T, beta=0, alpha=scale)
    if prototypes is not None:
        chunk[:, keys:].addmm_(anchor, prototypes.T, beta=0, alpha=scale)
    kernels = kernels_for(chunk)
    if kernels is not None:
        has_prototypes = prototypes is not None
        values = kernels.score_rows(chunk, start, offset, has_prototypes, *terms, to_gradient)
        return [(values, None)]
    blocks = math.ceil(_MASK_BYTES / _MASK_SHARE * keys / chunk.shape[1])
    rows = math.ceil(len(chunk) / blocks)
    return [
        _score_block(chunk[first : first + rows], start + first, inputs, offset, to_gradient)
        for first in range(0, len(chunk), rows)
    ]


def _score_block(
    block: Tensor, start: int, inputs, offset: int, to_gradient: bool
) -> Tuple[Tensor, Tensor]:
    """Values and totals (b, 1) of anchors from their similarities; see ``_score_chunk``."""
    embeddings, prototypes, key_labels, bias, own_bias, positives = inputs
    rows, first = slice(start, start + len(block)), offset + start
    to_keys, to_prototypes = block[:, : len(embeddings)], block[:, len(embeddings) :]
    labels = key_labels[first : first + len(block)].unsqueeze(1)
    positive = (labels == key_labels).to(block.dtype)
    positive.diagonal(first).zero_()
    count = positives[rows].unsqueeze(1)

    block.add_(bias)
    if own_bias is not None:
        own = own_bias[rows].unsqueeze(1)
        to_keys.addcmul_(positive, own)
        if prototypes is not None:
            to_prototypes.scatter_add_(1, labels, own)
    # Row by row product with the mask: (b, 1, K) x (b, K, 1), without a masked copy.
    operands = (to_keys.unsqueeze(1), positive.unsqueeze(2))
    if prototypes is None:
        of_positives = torch.bmm(*operands).squeeze(2)
        count = count.clamp(min=1)
    else:
        of_positives = to_prototypes.gather(1, labels)
        of_positives.unsqueeze(2).baddbmm_(*operands)
    to_keys.diagonal(first).fill_(-torch.inf)
    peak = block.amax(dim=1, keepdim=True)
    if prototypes is None:
        # An anchor without any key has -inf everywhere: its row becomes 0, not NaN.
        peak = peak.clamp_(min=torch.finfo(block.dtype).min)
    total = block.sub_(peak).exp_().sum(dim=1, keepdim=True)
    if prototypes is None:
        total = total.clamp_(min=torch.finfo(block.dtype).tiny)
    share = total / count
    if to_gradient:
        # (softmax - 1/|P| on the positives) * total.
        to_keys.addcmul_(positive, share, value=-1)
        if prototypes is not None:
            to_prototypes.scatter_add_(1, labels, -share)
    normalizer = total if own_bias is None else share
    return (normalizer.log() + peak).addcdiv_(of_positives, count, value=-1), total


def _join(results: List, like: Tensor) -> Tuple[Tensor, Optional[Tensor]]:
    """Values and totals of all blocks."""
    if len(results) == 1:
        return results[0]
    if not results:
        return like.new_zeros(0, 1), None
    values, totals = zip(*results)
    return torch.cat(values), None if totals[0] is None else torch.cat(totals)


def _per_anchor(grad: Tensor, plan) -> Tensor:
    """The incoming gradient of each anchor's value, (M, 1)."""
    _, anchors, *_, reduction = plan
    if reduction == 'none':
        return grad.unsqueeze(1)
    return (grad / anchors if reduction == 'mean' else grad).expand(anchors, 1)


def _over(grad: Tensor, totals: Optional[Tensor]) -> Tensor:
    """The gradient for weights that are, or are not yet, divided by their row's total."""
    return grad if totals is None else grad / totals
