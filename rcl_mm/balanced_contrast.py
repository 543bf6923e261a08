"""The balanced log-denominator and mean positive similarity, forward and backward, in row blocks.

One autograd function, because three things meet in it: the anchors x keys matrix is stored at most
once (and not at all above the memory budget, where each block of rows is computed again in the
backward pass, as flash-style losses do), its gradient is written over it in place, and nothing
makes an accelerator wait. ``rcl_mm.functional`` holds the equations and calls it.
"""

from typing import Optional, Tuple

import torch
from torch import Tensor

MEMORY_BUDGET = 64 * 2**20
"""Bytes up to which the anchors x keys matrix is kept from the forward to the backward pass."""

_BLOCKS_WHEN_KEPT = 8
_BUFFERS_PER_CHUNK = 4


def plan_rows(
    anchors: int, keys: int, element_size: int, chunk_size: Optional[int] = None
) -> Tuple[int, bool]:
    """Rows per block, and whether the whole matrix is kept for the backward pass.

    Args:
        anchors (int): Rows of the matrix, M.
        keys (int): Its columns, embeddings of all ranks and prototypes.
        element_size (int): Bytes per entry.
        chunk_size (int, optional): Rows per block by the user's choice; the matrix is kept only
            if they are all of them. None chooses from the sizes. Defaults to None.

    Returns:
        tuple[int, bool]: Rows per block (at least 1), and True to keep the matrix.

    Raises:
        ValueError: If ``chunk_size`` is below 1.
    """
    if chunk_size is not None:
        if chunk_size < 1:
            raise ValueError(f'chunk_size={chunk_size} must be 1 or more, or None to choose')
        return min(chunk_size, max(anchors, 1)), chunk_size >= anchors
    if anchors * keys * element_size <= MEMORY_BUDGET:
        return max(1, -(-anchors // _BLOCKS_WHEN_KEPT)), True
    return max(1, MEMORY_BUDGET // (_BUFFERS_PER_CHUNK * keys * element_size)), False


class BalancedContrast(torch.autograd.Function):
    """For each anchor i: logsumexp over the keys k != i of (s_ik + bias) minus mean positive s_ip.

    ::

                         embeddings of all ranks (K)          prototypes (C)
        anchor i      [ s_ik + key_bias_k (+ own_bias_i) | s_ic + prototype_bias_c (+ own_bias_i) ]
                        -inf where k is i                   own_bias: only where y_k is y_i

    Args of ``apply``:
        embeddings (Tensor): (K, D); the anchors are its rows offset .. offset + M.
        prototypes (Tensor | None): (C, D).
        key_labels (Tensor): (K, ) int64.
        key_bias (Tensor): (K, ).
        prototype_bias (Tensor | None): (C, ).
        own_bias (Tensor): (M, ).
        positives (Tensor): (M, ) number of positives of each anchor, in the embeddings' type.
        plan (tuple): offset, M, similarity scale, rows per block, keep the matrix or not.

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
        key_bias: Tensor,
        prototype_bias: Optional[Tensor],
        own_bias: Tensor,
        positives: Tensor,
        plan: Tuple[int, int, float, int, bool],
    ) -> Tensor:
        inputs = (embeddings, prototypes, key_labels, key_bias, prototype_bias, own_bias, positives)
        _, anchors, _, rows, keep = plan
        columns = len(embeddings) + (0 if prototypes is None else len(prototypes))
        matrix = embeddings.new_empty(anchors if keep else min(rows, anchors), columns)
        values, log_sums = [], []
        for start in range(0, anchors, rows):
            stop = min(start + rows, anchors)
            block = matrix[start:stop] if keep else matrix[: stop - start]
            value, log_sum = _score_block(block, start, stop, inputs, plan)
            values.append(value)
            log_sums.append(log_sum)
            if keep:
                _block_to_gradient(block, log_sum, start, stop, inputs, plan)
        ctx.plan = plan
        ctx.save_for_backward(*inputs, matrix if keep else torch.cat(log_sums))
        return torch.cat(values) if values else embeddings.new_zeros(0)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):
        *inputs, saved = ctx.saved_tensors
        embeddings, prototypes = inputs[:2]
        offset, anchors, scale, rows, keep = ctx.plan
        key_count = len(embeddings)
        grad_embeddings = torch.zeros_like(embeddings)
        grad_prototypes = None if prototypes is None else torch.zeros_like(prototypes)
        columns = key_count + (0 if prototypes is None else len(prototypes))
        buffer = embeddings.new_empty(min(rows, anchors), columns)
        with torch.autocast(embeddings.device.type, enabled=False):
            for start in range(0, anchors, rows):
                stop = min(start + rows, anchors)
                block = buffer[: stop - start]
                upstream = (grad[start:stop] * scale).unsqueeze(1)
                if keep:
                    block.copy_(saved[start:stop]).mul_(upstream)
                else:
                    _score_block(block, start, stop, inputs, ctx.plan)
                    _block_to_gradient(block, saved[start:stop], start, stop, inputs, ctx.plan)
                    block.mul_(upstream)
                own = slice(offset + start, offset + stop)
                anchor = embeddings[own]
                grad_embeddings.addmm_(block[:, :key_count].T, anchor)
                grad_embeddings[own].addmm_(block[:, :key_count], embeddings)
                if prototypes is not None:
                    grad_prototypes.addmm_(block[:, key_count:].T, anchor)
                    grad_embeddings[own].addmm_(block[:, key_count:], prototypes)
        return grad_embeddings, grad_prototypes, None, None, None, None, None, None


def _own_class(start: int, stop: int, inputs, plan) -> Tuple[Tensor, Tensor, Tensor]:
    """Labels (b, 1) of the anchors, mask (b, K) of their positives, own column (b, 1)."""
    key_labels = inputs[2]
    first = plan[0] + start
    labels = key_labels[first : first + stop - start].unsqueeze(1)
    itself = torch.arange(first, first + stop - start, device=key_labels.device).unsqueeze(1)
    return labels, (labels == key_labels).scatter_(1, itself, False), itself


def _score_block(block: Tensor, start: int, stop: int, inputs, plan) -> Tuple[Tensor, Tensor]:
    """Biased similarities of anchors start .. stop into ``block``; value and logsumexp."""
    embeddings, prototypes, _, key_bias, prototype_bias, own_bias, positives = inputs
    offset, _, scale, _, _ = plan
    anchor = embeddings[offset + start : offset + stop] * scale
    to_keys, to_prototypes = block[:, : len(embeddings)], block[:, len(embeddings) :]
    labels, positive, itself = _own_class(start, stop, inputs, plan)
    own = own_bias[start:stop].unsqueeze(1)

    to_keys.addmm_(anchor, embeddings.T, beta=0)
    similarity = (to_keys * positive).sum(dim=1)
    to_keys.add_(key_bias).add_(positive * own).scatter_(1, itself, -torch.inf)
    if prototypes is not None:
        to_prototypes.addmm_(anchor, prototypes.T, beta=0)
        similarity = similarity + to_prototypes.gather(1, labels).squeeze(1)
        to_prototypes.add_(prototype_bias).scatter_add_(1, labels, own)
    log_sum = block.logsumexp(dim=1)
    return log_sum - similarity / positives[start:stop].clamp(min=1), log_sum


def _block_to_gradient(block: Tensor, log_sum: Tensor, start: int, stop: int, inputs, plan) -> None:
    """Turn biased similarities in place into d value / d similarity = softmax - 1/|P| on positives.

    An anchor with no key at all has logsumexp -inf: its row becomes 0, not NaN.
    """
    embeddings, prototypes = inputs[:2]
    labels, positive, _ = _own_class(start, stop, inputs, plan)
    share = inputs[6][start:stop].clamp(min=1).reciprocal().unsqueeze(1)
    block.sub_(log_sum.clamp(min=torch.finfo(block.dtype).min).unsqueeze(1)).exp_()
    block[:, : len(embeddings)].sub_(positive * share)
    if prototypes is not None:
        block[:, len(embeddings) :].scatter_add_(1, labels, -share)
