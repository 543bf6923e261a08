"""The balanced log-denominator and mean positive similarity, forward and backward.

One autograd function, because three things meet in it: the anchors x keys matrix is stored once
(above the memory budget only a chunk of its rows at a time, computed again in the backward pass,
as flash-style losses do), its gradient is written over it in place, and nothing makes an
accelerator wait. ``rcl_mm.functional`` holds the equations and calls it.
"""

import math
from typing import Optional, Tuple

import torch
from torch import Tensor

MEMORY_BUDGET = 64 * 2**20
"""Bytes of extra memory that the loss takes at most, unless ``chunk_size`` says otherwise."""

# A chunk with all its temporaries is at most so many times the chunk.
_CHUNK_AND_TEMPORARIES = 1.5
# The mask of positives, as bool, as number and while it is being made, in parts of its chunk; few
# blocks of rows share it out, because each operation on a block costs a start (GPU) or a barrier.
_MASK_BYTES = 1.25
_MASK_SHARE = 0.4


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
    """For each anchor i: logsumexp over the keys k != i of (s_ik + bias) minus mean positive s_ip.

    ::

                         embeddings of all ranks (K)       prototypes (C)
        anchor i      [ s_ik + bias_k (+ own_bias_i) | s_ic + bias_{K+c} (+ own_bias_i) ]
                        -inf where k is i              own_bias: only where the key's class is y_i

    Args of ``apply``:
        embeddings (Tensor): (K, D); the anchors are its rows offset .. offset + M.
        prototypes (Tensor | None): (C, D).
        key_labels (Tensor): (K, ) int64.
        bias (Tensor): (K + C, ); -inf takes a key out.
        own_bias (Tensor): (M, ).
        positives (Tensor): (M, ) number of positives of each anchor, in the embeddings' type.
        plan (tuple): offset, M, similarity scale, anchors per chunk.

    Returns:
        Tensor: (M, ); the value at an anchor without positives or without keys is finite and has no
        meaning: the caller takes it out. Gradients for embeddings and prototypes, first order only.
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
        plan: Tuple[int, int, float, int],
    ) -> Tensor:
        inputs = (embeddings, prototypes, key_labels, bias, own_bias, positives)
        _, anchors, _, rows = plan
        keep = rows >= anchors and any(ctx.needs_input_grad[:2])
        matrix = embeddings.new_empty(min(rows, anchors), len(bias))
        values, factors = embeddings.new_empty(2, anchors, 1)
        for start in range(0, anchors, rows):
            chunk = matrix[: min(rows, anchors - start)]
            part = slice(start, start + len(chunk))
            _score_chunk(chunk, values[part], factors[part], start, inputs, plan, keep)
        ctx.plan = plan
        ctx.save_for_backward(*inputs, *((matrix, factors) if keep else (None, None)))
        return values.squeeze(1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):
        *inputs, kept, factors = ctx.saved_tensors
        embeddings, prototypes = inputs[:2]
        _, anchors, scale, rows = ctx.plan
        wanted = ctx.needs_input_grad
        grads = (
            torch.zeros_like(embeddings) if wanted[0] else None,
            torch.zeros_like(prototypes) if wanted[1] else None,
        )
        upstream = (grad * scale).unsqueeze(1)
        with torch.autocast(embeddings.device.type, enabled=False):
            if kept is not None:
                _add_gradients(grads, kept, upstream * factors, 0, inputs, ctx.plan)
            else:
                matrix = embeddings.new_empty(min(rows, anchors), len(inputs[3]))
                values, factors = embeddings.new_empty(2, len(matrix), 1)
                for start in range(0, anchors, rows):
                    chunk = matrix[: min(rows, anchors - start)]
                    values, factors = values[: len(chunk)], factors[: len(chunk)]
                    _score_chunk(chunk, values, factors, start, inputs, ctx.plan, True)
                    chunk.mul_(upstream[start : start + len(chunk)] * factors)
                    _add_gradients(grads, chunk, None, start, inputs, ctx.plan)
        return (*grads, None, None, None, None, None)


def _score_chunk(
    chunk: Tensor,
    values: Tensor,
    factors: Tensor,
    start: int,
    inputs,
    plan: Tuple[int, int, float, int],
    to_gradient: bool,
) -> None:
    """Values (b, 1) of the anchors from ``start`` on, one for each row of ``chunk`` (b, K + C).

    ``chunk`` is filled with the similarities and, block by block, overwritten: ``factors * chunk``
    is then d value / d similarity. Without ``to_gradient`` what is left in it has no meaning.
    """
    embeddings, prototypes = inputs[:2]
    offset, _, scale, _ = plan
    anchor = embeddings[offset + start : offset + start + len(chunk)]
    chunk[:, : len(embeddings)].addmm_(anchor, embeddings.T, beta=0, alpha=scale)
    if prototypes is not None:
        chunk[:, len(embeddings) :].addmm_(anchor, prototypes.T, beta=0, alpha=scale)
    blocks = math.ceil(_MASK_BYTES / _MASK_SHARE * len(embeddings) / chunk.shape[1])
    rows = math.ceil(len(chunk) / blocks)
    for first in range(0, len(chunk), rows):
        part = slice(first, first + rows)
        block = chunk[part]
        value, factor = _score_block(block, start + first, inputs, offset, to_gradient)
        values[part] = value
        factors[part] = factor


def _score_block(
    block: Tensor, start: int, inputs, offset: int, to_gradient: bool
) -> Tuple[Tensor, Tensor]:
    """Values and factors (b, 1) of anchors from their similarities; see ``_score_chunk``."""
    embeddings, prototypes, key_labels, bias, own_bias, positives = inputs
    stop, device = start + len(block), block.device
    to_keys, to_prototypes = block[:, : len(embeddings)], block[:, len(embeddings) :]
    itself = torch.arange(offset + start, offset + stop, device=device).unsqueeze(1)
    labels = key_labels[offset + start : offset + stop].unsqueeze(1)
    positive = (labels == key_labels).to(block.dtype).scatter_(1, itself, 0)
    own = own_bias[start:stop].unsqueeze(1)
    share = positives[start:stop].clamp(min=1).reciprocal().unsqueeze(1)

    # Row by row product with the mask: (b, 1, K) x (b, K, 1), without a masked copy.
    similarity = torch.bmm(to_keys.unsqueeze(1), positive.unsqueeze(2)).squeeze(2)
    if prototypes is not None:
        similarity = similarity + to_prototypes.gather(1, labels)
        to_prototypes.scatter_add_(1, labels, own)
    block.add_(bias)
    to_keys.addcmul_(positive, own).scatter_(1, itself, -torch.inf)
    # An anchor without any key has -inf everywhere: its row becomes 0, not NaN.
    peak = block.amax(dim=1, keepdim=True).clamp_(min=torch.finfo(block.dtype).min)
    total = block.sub_(peak).exp_().sum(dim=1, keepdim=True)
    total = total.clamp_(min=torch.finfo(block.dtype).tiny)
    if to_gradient:
        # (softmax - share on the positives) * total: the division is left to the factor.
        to_keys.addcmul_(positive, share * total, value=-1)
        if prototypes is not None:
            to_prototypes.scatter_add_(1, labels, -share * total)
    return peak + total.log() - similarity * share, total.reciprocal()


def _add_gradients(grads, weights: Tensor, upstream, start: int, inputs, plan) -> None:
    """Add to ``grads`` what the similarities' gradient ``weights`` (b, K + C) gives.

    With ``upstream`` (M, 1) the weights are the kept ones of all anchors: they must stay as they
    are for another backward pass, so the factor goes to the small side of each product.
    """
    embeddings, prototypes = inputs[:2]
    grad_embeddings, grad_prototypes = grads
    own = slice(plan[0] + start, plan[0] + start + len(weights))
    anchor = embeddings[own]
    to_keys, to_prototypes = weights[:, : len(embeddings)], weights[:, len(embeddings) :]
    if grad_embeddings is not None:
        as_anchor = grad_embeddings[own].addmm_(to_keys, embeddings)
        if prototypes is not None:
            as_anchor.addmm_(to_prototypes, prototypes)
        if upstream is not None:
            as_anchor.mul_(upstream)
    if upstream is None:
        parts = [slice(None)]
    else:  # in slices of D, so that the scaled anchors stay below half the matrix
        dimension = embeddings.shape[1]
        width = math.ceil(dimension / math.ceil(2 * dimension / max(weights.shape[1], 1)))
        parts = [slice(first, first + width) for first in range(0, dimension, width)]
    scaled = None
    for part in parts:
        del scaled  # before the next one is made
        scaled = anchor[:, part] if upstream is None else anchor[:, part] * upstream
        if grad_embeddings is not None:
            grad_embeddings[:, part].addmm_(to_keys.T, scaled)
        if grad_prototypes is not None:
            grad_prototypes[:, part].addmm_(to_prototypes.T, scaled)
