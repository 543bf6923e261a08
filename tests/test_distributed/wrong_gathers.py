"""Gathers that lose gradients, as they are found in the field: the proofs must tell them apart."""

import torch
import torch.distributed as dist

from rcl_mm.ops.gather import gather_embeddings


def detached_gather(embeddings, labels):
    """Other ranks' rows without a gradient, as ``mmengine.dist.all_gather`` gives them."""
    keys, key_labels, offset, ranks = gather_embeddings(embeddings.detach(), labels)
    keys = torch.cat([keys[:offset], embeddings, keys[offset + len(embeddings) :]])
    return keys, key_labels, offset, ranks


class _OwnSliceOfOwnGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, embeddings, labels):
        ctx.rows = len(embeddings)
        keys, key_labels, offset, ranks = gather_embeddings(embeddings, labels)
        ctx.mark_non_differentiable(key_labels)
        return keys.clone(), key_labels

    @staticmethod
    def backward(ctx, grad, _):
        start = dist.get_rank() * ctx.rows
        return grad[start : start + ctx.rows], None


def own_gradient_gather(embeddings, labels):
    """Backward keeps this rank's part of this rank's gradient, as SimCLR's GatherLayer does."""
    keys, key_labels = _OwnSliceOfOwnGradient.apply(embeddings, labels)
    return keys, key_labels, dist.get_rank() * len(embeddings), dist.get_world_size()


WRONG = {'detached': detached_gather, 'own_gradient': own_gradient_gather}
