"""The loss's passes over keys, and over anchors x keys, as one Triton kernel each, for GPUs.

At the sizes of a training step a GPU needs less time for the loss than its host for starting some
forty operations one by one (docs/performance/loss_notes.md). The operations are those of
``key_terms`` and of ``balanced_contrast._score_block``, which stay the definition: they run on the
CPU, in float64, under torch.compile, and wherever Triton does not.
"""

from typing import Optional, Tuple

import torch
import triton
import triton.language as tl
from torch import Tensor

MAX_KEYS = 8192
"""Embeddings up to which counting them by comparing all with all is no work for a GPU."""

_BLOCK, _WARPS = 2048, 8


# Sizes are not specialized: a smaller last batch is no reason to compile again.
@triton.jit(do_not_specialize=('keys', 'columns', 'prior_power'))
def _key_terms_kernel(
    labels,
    counts,
    bias,
    own_bias,
    positives,
    prior_power,
    keys,
    columns,
    HAS_PRIOR: tl.constexpr,
    CLASS_AVERAGING: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Each program: the terms of ``BLOCK`` columns, embeddings first and then prototypes."""
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = column < columns
    is_key = column < keys
    label = tl.load(labels + column, mask=is_key, other=0).to(tl.int32)
    label = tl.where(is_key, label, column - keys)
    size = tl.full([BLOCK], 1.0, tl.float32)  # the prototype of the class
    for start in range(0, keys, BLOCK):
        other = start + tl.arange(0, BLOCK)
        other = tl.load(labels + other, mask=other < keys, other=-1).to(tl.int32)
        size += tl.sum((label[:, None] == other[None, :]).to(tl.float32), axis=1)
    # A label without a class spoils the loss, as it must, and reads no memory of others.
    known = inside & (label >= 0) & (label < columns - keys)
    size = tl.where(known, size, float('nan'))
    term = tl.zeros([BLOCK], tl.float32)
    if HAS_PRIOR:
        count = tl.load(counts + label, mask=known, other=1).to(tl.float32)
        term += prior_power * tl.log(count)
    if CLASS_AVERAGING:
        term -= tl.log(size)
        tl.store(own_bias + column, tl.log(size / (size - 1)), mask=is_key)
    tl.store(bias + column, term, mask=inside)
    tl.store(positives + column, size - 1, mask=is_key)


@triton.jit
def _similarity(
    line, labels, bias, column, label, anchor, own, keys, columns, HAS_PROTOTYPES: tl.constexpr
):
    """What the softmax is taken of in these columns, and which of them are positives."""
    inside = column < columns
    key = column < keys
    other = tl.load(labels + column, mask=key, other=-1).to(tl.int32)
    if HAS_PROTOTYPES:
        other = tl.where(key, other, column - keys)
    positive = inside & (other == label) & (column != anchor)
    value = tl.load(line + column, mask=inside, other=0.0)
    value += tl.load(bias + column, mask=inside, other=0.0)
    value += tl.where(positive, own, 0.0)
    return tl.where(inside & (column != anchor), value, -float('inf')), positive


@triton.jit(do_not_specialize=('first', 'stride', 'keys', 'columns'))
def _score_kernel(
    matrix,
    labels,
    bias,
    own_bias,
    positives,
    values,
    first,
    stride,
    keys,
    columns,
    CLASS_AVERAGING: tl.constexpr,
    HAS_PROTOTYPES: tl.constexpr,
    TO_GRADIENT: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Each program: one anchor. Peak, sum and, to the gradient, a pass over its row each."""
    row = tl.program_id(0)
    anchor = first + row
    line = matrix + row.to(tl.int64) * stride
    label = tl.load(labels + anchor).to(tl.int32)
    count = tl.load(positives + row)
    own = 0.0
    if CLASS_AVERAGING:
        own = tl.load(own_bias + row)
    if not HAS_PROTOTYPES:
        count = tl.maximum(count, 1.0)

    peaks = tl.full([BLOCK], -float('inf'), tl.float32)
    sums = tl.zeros([BLOCK], tl.float32)
    for start in range(0, columns, BLOCK):
        column = start + tl.arange(0, BLOCK)
        value, positive = _similarity(
            line, labels, bias, column, label, anchor, own, keys, columns, HAS_PROTOTYPES
        )
        peaks = tl.maximum(peaks, value)
        sums += tl.where(positive, value, 0.0)
    # The lowest float32: an anchor without any key has -inf everywhere.
    peak = tl.maximum(tl.max(peaks, axis=0), -3.4028234663852886e38)
    of_positives = tl.sum(sums, axis=0)

    sums = tl.zeros([BLOCK], tl.float32)
    for start in range(0, columns, BLOCK):
        column = start + tl.arange(0, BLOCK)
        value, positive = _similarity(
            line, labels, bias, column, label, anchor, own, keys, columns, HAS_PROTOTYPES
        )
        sums += tl.exp(value - peak)
    total = tl.sum(sums, axis=0)
    if not HAS_PROTOTYPES:
        total = tl.maximum(total, 1.1754943508222875e-38)
    normalizer = total
    if CLASS_AVERAGING:
        normalizer = total / count
    tl.store(values + row, tl.log(normalizer) + peak - of_positives / count)

    if TO_GRADIENT:
        for start in range(0, columns, BLOCK):
            column = start + tl.arange(0, BLOCK)
            value, positive = _similarity(
                line, labels, bias, column, label, anchor, own, keys, columns, HAS_PROTOTYPES
            )
            weight = tl.exp(value - peak) / total - tl.where(positive, 1.0 / count, 0.0)
            tl.store(line + column, weight, mask=column < columns)


def fused_key_terms(
    labels: Tensor,
    classes: int,
    class_counts: Optional[Tensor],
    prior_power: float,
    class_averaging: bool,
    like: Tensor,
) -> Tuple[Tensor, Optional[Tensor], Tensor]:
    """Bias, own bias and positives of ``key_terms``, with prototypes and without padding.

    Args:
        labels (Tensor): Labels of the embeddings, shape (K, ).
        classes (int): Prototypes, C.
        class_counts (Tensor | None): Training images per class, shape (C, ).
        prior_power (float): gamma.
        class_averaging (bool): Whether keys are averaged within their class.
        like (Tensor): A float32 tensor on the GPU.
    """
    keys, block = len(labels), 64
    bias, positives = like.new_empty(keys + classes), like.new_empty(keys)
    own_bias = like.new_empty(keys) if class_averaging else None
    _key_terms_kernel[(triton.cdiv(keys + classes, block),)](
        labels.contiguous(),
        bias if class_counts is None else class_counts.to(like.device).contiguous(),
        bias,
        bias if own_bias is None else own_bias,
        positives,
        float(prior_power),
        keys,
        keys + classes,
        HAS_PRIOR=class_counts is not None,
        CLASS_AVERAGING=class_averaging,
        BLOCK=block,
    )
    return bias, own_bias, positives


def score_rows(
    chunk: Tensor,
    start: int,
    offset: int,
    has_prototypes: bool,
    key_labels: Tensor,
    bias: Tensor,
    own_bias: Optional[Tensor],
    positives: Tensor,
    to_gradient: bool,
) -> Tensor:
    """Values (b, 1) of the anchors from ``start`` on, from their similarities ``chunk``.

    ``chunk`` (b, K + C) is overwritten with d value / d similarity if ``to_gradient``. The
    other arguments are those of ``balanced_contrast.BalancedContrast``.
    """
    rows, columns = chunk.shape
    values = chunk.new_empty(rows, 1)
    if start:
        positives = positives[start:]
        own_bias = None if own_bias is None else own_bias[start:]
    _score_kernel[(rows,)](
        chunk,
        key_labels.contiguous(),
        bias,
        positives if own_bias is None else own_bias,
        positives,
        values,
        offset + start,
        chunk.stride(0),
        len(key_labels),
        columns,
        CLASS_AVERAGING=own_bias is not None,
        HAS_PROTOTYPES=has_prototypes,
        TO_GRADIENT=to_gradient,
        BLOCK=min(_BLOCK, triton.next_power_of_2(columns)),
        num_warps=_WARPS,
    )
    return values


def try_out(device: torch.device) -> None:
    """Run both kernels once; raises what Triton raises where it can not compile or run them."""
    like = torch.zeros(2, 4, device=device)
    labels = torch.zeros(2, dtype=torch.int64, device=device)
    terms = fused_key_terms(labels, 2, labels + 1, 1.0, True, like)
    score_rows(like, 0, 0, True, labels, *terms, True)
