"""The products of the loss's backward pass, see ``balanced_contrast``.

``inputs`` and ``plan`` are those of :class:`balanced_contrast.BalancedContrast`; ``wanted`` says
whether embeddings and prototypes need a gradient.
"""

import math
from typing import List, Optional

import torch
from torch import Tensor

Gradients = List[Optional[Tensor]]


def gradients_of_kept(weights: Tensor, upstream: Tensor, inputs, plan, wanted) -> Gradients:
    """Gradients of embeddings and prototypes from the kept matrix (M, K + C).

    It must stay as it is for another backward pass: ``upstream`` (M, 1) goes to the small side of
    each product.
    """
    embeddings, prototypes = inputs[:2]
    offset, anchors, scale, *_ = plan
    own = slice(offset, offset + anchors)
    to_keys, to_prototypes = weights[:, : len(embeddings)], weights[:, len(embeddings) :]
    # Anchors that are all the keys: what they get as anchors and as keys is one product. Its
    # matrix takes M x M, so only where that is below half of the whole one.
    both_at_once = anchors == len(embeddings) and 2 * anchors <= weights.shape[1]
    grad_embeddings = grad_prototypes = None
    if wanted[0]:
        # With `both_at_once` there are prototypes, and every row is an anchor: all is written.
        new = torch.empty_like if both_at_once else torch.zeros_like
        grad_embeddings = new(embeddings)
        as_anchor = grad_embeddings[own]
        if prototypes is not None:
            as_anchor.addmm_(to_prototypes, prototypes, beta=0, alpha=scale)
        if both_at_once:
            both = (to_keys * upstream).addcmul_(to_keys.T, upstream.T)
            as_anchor.mul_(upstream).addmm_(both, embeddings, alpha=scale)
            del both
        else:
            as_anchor.addmm_(to_keys, embeddings, alpha=scale).mul_(upstream)
    if wanted[1]:
        grad_prototypes = torch.empty_like(prototypes)
    # In slices of D, so that the scaled anchors stay below half the matrix.
    dimension = embeddings.shape[1]
    width = math.ceil(dimension / math.ceil(2 * dimension / max(weights.shape[1], 1)))
    scaled = None
    for first in range(0, dimension, width):
        part = slice(first, first + width)
        del scaled  # before the next one is made
        scaled = embeddings[own, part] * upstream
        if wanted[0] and not both_at_once:
            grad_embeddings[:, part].addmm_(to_keys.T, scaled, alpha=scale)
        if wanted[1]:
            grad_prototypes[:, part].addmm_(to_prototypes.T, scaled, beta=0, alpha=scale)
    return [grad_embeddings, grad_prototypes]


def gradients_of_equal_anchors(weights: Tensor, grad: Tensor, inputs, plan, wanted) -> Gradients:
    """The same from weights that lack nothing but the incoming gradient, which all anchors share.

    There are prototypes, and all embeddings are anchors.
    """
    embeddings, prototypes = inputs[:2]
    _, anchors, scale, _, reduction = plan
    alpha = scale / anchors if reduction == 'mean' else scale
    to_keys, to_prototypes = weights[:, :anchors], weights[:, anchors:]
    grad_embeddings = grad_prototypes = None
    if wanted[0]:
        grad_embeddings = torch.empty_like(embeddings)
        grad_embeddings.addmm_(to_prototypes, prototypes, beta=0, alpha=alpha)
        grad_embeddings.addmm_(to_keys, embeddings, alpha=alpha)
        grad_embeddings.addmm_(to_keys.T, embeddings, alpha=alpha).mul_(grad)
    if wanted[1]:
        grad_prototypes = torch.empty_like(prototypes)
        grad_prototypes.addmm_(to_prototypes.T, embeddings, beta=0, alpha=alpha).mul_(grad)
    return [grad_embeddings, grad_prototypes]


def add_gradients_of_chunk(grads: Gradients, weights: Tensor, start: int, inputs, plan) -> None:
    """Add to ``grads`` what the weighted similarity gradients (b, K + C) of a chunk give."""
    embeddings, prototypes = inputs[:2]
    offset, _, scale, *_ = plan
    own = slice(offset + start, offset + start + len(weights))
    to_keys, to_prototypes = weights[:, : len(embeddings)], weights[:, len(embeddings) :]
    if grads[0] is not None:
        grads[0].addmm_(to_keys.T, embeddings[own], alpha=scale)
        grads[0][own].addmm_(to_keys, embeddings, alpha=scale)
        if prototypes is not None:
            grads[0][own].addmm_(to_prototypes, prototypes, alpha=scale)
    if grads[1] is not None:
        grads[1].addmm_(to_prototypes.T, embeddings[own], alpha=scale)
