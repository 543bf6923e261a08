"""What the loss adds to the similarity of each key, from labels and class counts alone.

Each term is one number per class, key or anchor, so that no anchors x keys table is needed; and
few operations, because each costs the start of a kernel on an accelerator, where the loss itself is
shorter than that.
"""

from typing import NamedTuple, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from rcl_mm.gpu_kernels import kernels_for
from rcl_mm.ops.gather import PADDING_LABEL


class KeyTerms(NamedTuple):
    """See :func:`key_terms`; M anchors, K keys of all ranks, C prototypes."""

    bias: Tensor
    """(K + C, ) gamma log n_{y_k} - log|B_{y_k}|; very low where a key is taken out."""

    own_bias: Optional[Tensor]
    """(M, ) log|B_{y_i}| - log|B_{y_i} \\ {i}|, for the keys of the anchor's own class."""

    positives: Tensor
    """(M, ) |P(i)|, in the embeddings' type."""

    valid: Optional[Tensor]
    """(K, ) which keys have a positive and so count as anchors; None if all have."""


def key_terms(
    key_labels: Tensor,
    own: slice,
    class_counts: Optional[Tensor],
    prior_power: float,
    prototypes: Optional[Tensor],
    class_averaging: bool,
    padded: bool,
    like: Tensor,
) -> KeyTerms:
    """The terms of METHOD's computing form that do not depend on the embeddings.

    Args:
        key_labels (Tensor): Labels of the embeddings of all ranks, shape (K, ).
        own (slice): Which of them are this rank's anchors.
        class_counts (Tensor | None): Training images per class, shape (C, ).
        prior_power (float): gamma.
        prototypes (Tensor | None): One more key of each class, shape (C, D).
        class_averaging (bool): Whether keys are averaged within their class.
        padded (bool): Whether labels may be ``PADDING_LABEL``: rows that are no keys.
        like (Tensor): A tensor of the type and on the device that the terms shall have.
    """
    if prior_power == 0:
        class_counts = None
    kernels = kernels_for(like)
    if kernels and prototypes is not None and not padded and len(key_labels) <= kernels.MAX_KEYS:
        terms = kernels.fused_key_terms(
            key_labels, len(prototypes), class_counts, prior_power, class_averaging, like
        )
        return KeyTerms(*terms, None)
    log_prior = None
    if class_counts is not None:
        log_prior = log_class_prior(class_counts, like, prior_power)
    classes = next((len(one) for one in (prototypes, log_prior) if one is not None), None)
    if classes is None:
        key_sizes, bias = _occurrences(key_labels).to(like.dtype), None
    else:
        # The padding's label, -1, goes to an entry of its own behind the classes.
        entries = classes + padded
        rows = key_labels.remainder(entries) if padded else key_labels
        ones = like.new_ones(entries + 1)
        sizes, one = ones[:-1], ones[-1:]
        if prototypes is None:
            sizes.zero_()
        sizes.scatter_add_(0, rows, one.expand(len(rows)))
        key_sizes = sizes[rows]
        bias = sizes.log() if class_averaging else torch.zeros_like(sizes)
        if log_prior is None:
            bias = bias.neg_()
        elif padded:
            bias = F.pad(log_prior, (0, 1)).sub_(bias)
        else:
            bias = log_prior - bias
    if bias is None:
        key_bias = -key_sizes.log() if class_averaging else torch.zeros_like(key_sizes)
    else:
        key_bias = bias[rows]
    if padded:
        # Half of the lowest number: finite, because the mask of the positives multiplies it.
        lowest = torch.finfo(like.dtype).min / 2
        key_bias.masked_fill_(key_labels == PADDING_LABEL, lowest)
    if prototypes is not None:
        key_bias = torch.cat([key_bias, bias[:classes]])

    positives = key_sizes[own] - 1
    own_bias = valid = None
    if class_averaging:
        # Without prototypes there may be no other key of the class, and then no term.
        others = positives if prototypes is not None else positives.clamp(min=1)
        own_bias = (key_sizes[own] / others).log()
    if prototypes is None:
        valid = key_sizes > 1
    if padded:
        real = key_labels != PADDING_LABEL
        valid = real if valid is None else valid & real
    return KeyTerms(key_bias, own_bias, positives, valid)


def log_class_prior(class_counts: Tensor, like: Tensor, prior_power: float) -> Tensor:
    """gamma log n_c, shape (C, ), in the type of ``like``; -inf for a class of no image.

    The losses do not change with a factor common to all counts (METHOD), so counts do for shares.
    """
    log_prior = class_counts.to(like).log()
    return log_prior if prior_power == 1 else prior_power * log_prior


def _occurrences(labels: Tensor) -> Tensor:
    """How often each label occurs in ``labels``, shape (K, ), for labels of unknown range."""
    ordered = labels.sort().values
    return torch.searchsorted(ordered, labels, right=True) - torch.searchsorted(ordered, labels)
