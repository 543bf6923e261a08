"""The two sums over keys that the contrastive loss is made of, in bounded memory.

The similarities of anchors and keys are the one large matrix of the loss. While it fits into
:data:`MEMORY_BUDGET` with all temporaries, it is kept for the backward pass. Above, blocks of
anchors are computed, and computed again in the backward pass, for a third more arithmetic.
"""

from typing import Optional, Tuple

import torch
from torch import Tensor

from rcl_mm.errors import InputError

MEMORY_BUDGET = 64 * 2**20
"""Bytes of memory at most beside inputs and gradients, unless ``chunk_size`` says otherwise."""

# A block, its weights in the backward pass, and the mask of positives as number and as bool.
_BLOCK_AND_TEMPORARIES = 3.5


def contrast_sums(
    embeddings: Tensor,
    prototypes: Tensor,
    labels: Tensor,
    positives: Tensor,
    bias: Tensor,
    own_bias: Tensor,
    first: int,
    scales: Tuple[float, float],
    chunk_size: Optional[int] = None,
) -> Tuple[Tensor, Tensor]:
    """log sum_{k != i} exp(s_ik + b_ik) and mean_{p in P(i)} s_ip of each anchor i.

    s_ik is a multiple of u_i . k; b_ik is ``bias[k]``, plus ``own_bias[i]`` where key k is of the
    anchor's class. P(i) are the keys of the anchor's class but i.

    Args:
        embeddings (Tensor): Keys 0 to K - 1, shape (K, D); M of them are the anchors.
        prototypes (Tensor): Keys K to K + C - 1, shape (C, D).
        labels (Tensor): Class of each key, shape (K + C, ), int64.
        positives (Tensor): |P(i)|, or 1 where that is 0, shape (M, ).
        bias (Tensor): Shape (K + C, ); -inf takes a key out.
        own_bias (Tensor): Shape (M, ).
        first (int): Which key the first anchor is.
        scales (tuple[float, float]): The multiples, for embeddings and for prototypes.
        chunk_size (int, optional): Anchors per block; all M are kept for the backward pass, fewer
            are computed again. Defaults to None: as :data:`MEMORY_BUDGET` allows.

    Returns:
        tuple[Tensor, Tensor]: Shape (M, ) each, with first-order gradients for embeddings and
        prototypes. An anchor without positives has mean 0, one without keys a low finite sum.

    Raises:
        InputError: If ``chunk_size`` is below 1.
    """
    rows = anchors_per_block(len(positives), len(labels), embeddings.element_size(), chunk_size)
    return _ContrastSums.apply(
        embeddings, prototypes, labels, positives, bias, own_bias, first, scales, rows
    )


def anchors_per_block(anchors: int, keys: int, itemsize: int, chunk_size: Optional[int]) -> int:
    """How many rows of the matrix are worked on at a time: 1 to ``anchors``."""
    if chunk_size is None:
        chunk_size = int(MEMORY_BUDGET / (_BLOCK_AND_TEMPORARIES * max(keys, 1) * itemsize))
    elif chunk_size < 1:
        raise InputError(f'chunk_size={chunk_size} must be 1 or more, or None to choose')
    return max(1, min(chunk_size, anchors))


class _ContrastSums(torch.autograd.Function):
    """See :func:`contrast_sums`."""

    @staticmethod
    def forward(ctx, *arguments):
        *inputs, first, scales, rows = arguments
        anchors = len(inputs[3])
        keep = rows >= anchors and any(ctx.needs_input_grad[:2])
        sums, weights = inputs[4].new_empty(3, anchors), None
        for start in range(0, anchors, rows):
            block = slice(start, min(start + rows, anchors))
            del weights  # before the next ones are made
            weights, sums[:, block] = _block_sums(inputs, block, first, scales)
        log_total, mean, total = sums
        ctx.options = first, scales, rows
        ctx.save_for_backward(*inputs, total, weights if keep else None)
        return log_total, mean

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, of_log_total: Tensor, of_mean: Tensor):
        *inputs, total, kept = ctx.saved_tensors
        embeddings, prototypes, labels, positives = inputs[:4]
        first, scales, rows = ctx.options
        grads = [torch.zeros_like(x) if y else None for x, y in zip(inputs, ctx.needs_input_grad)]
        # d log_total / d s_ik is the softmax, d mean / d s_ip is 1 / |P(i)|.
        of_total, of_positive = of_log_total / total, of_mean / positives
        for start in range(0, len(positives), rows):
            block = slice(start, min(start + rows, len(positives)))
            own = slice(first + block.start, first + block.stop)
            softmax = _block_sums(inputs, block, first, scales)[0] if kept is None else kept
            weights = torch.where(_positives(labels, own), of_positive[block, None], 0)
            weights.addcmul_(softmax, of_total[block, None])
            parts = weights.split((len(embeddings), len(prototypes)), dim=1)
            for keys, grad, part, scale in zip(inputs, grads, parts, scales):
                if grads[0] is not None:
                    grads[0][own].addmm_(part, keys, alpha=scale)
                if grad is not None:
                    grad.addmm_(part.T, embeddings[own], alpha=scale)
            del softmax, weights, parts, part  # before the next block is made
        return *grads, None, None, None


def _positives(labels: Tensor, own: slice) -> Tensor:
    """Whether a key is of the anchor's class and not the anchor itself, (b, K + C) bool."""
    positive = labels[own, None] == labels
    positive.diagonal(own.start).zero_()
    return positive


def _block_sums(inputs, block: slice, first: int, scales) -> Tuple[Tensor, Tensor]:
    """Of a block of anchors exp(s_ik + b_ik - peak_i), (b, K + C), 0 where k is i.

    And three rows (3, b): peak_i + the logarithm of the sum of that, mean_p s_ip, and the sum.
    """
    embeddings, prototypes, labels, positives, bias, own_bias = inputs
    own = slice(first + block.start, first + block.stop)
    scores = embeddings.new_empty(block.stop - block.start, len(labels))
    parts = scores.split((len(embeddings), len(prototypes)), dim=1)
    for keys, part, scale in zip(inputs, parts, scales):
        part.addmm_(embeddings[own], keys.T, beta=0, alpha=scale)
    positive = _positives(labels, own)
    mean = torch.where(positive, scores, 0).sum(1) / positives[block]
    scores.add_(bias).add_(torch.where(positive, own_bias[block, None], 0))
    scores.diagonal(own.start).fill_(-torch.inf)
    # Of an anchor without any key all are -inf: it has sum 0, not NaN.
    limits = torch.finfo(scores.dtype)
    peak = scores.amax(dim=1).clamp(min=limits.min)
    exponentials = scores.sub_(peak[:, None]).exp_()
    total = exponentials.sum(1).clamp(min=limits.tiny)
    return exponentials, torch.stack([total.log() + peak, mean, total])
