"""What the contrastive branch sees, in three numbers for the log line."""

from typing import Dict

import torch
from torch import Tensor


@torch.no_grad()
def similarity_stats(embeddings: Tensor, labels: Tensor, num_images: int) -> Dict[str, Tensor]:
    """Share of anchors with other images as positives, mean positive and negative similarity.

    From sums per class, without the (M, M) matrix: the sum of u_i.u_k over all pairs of a class is
    the squared norm of the class's sum. Nothing makes an accelerator wait.

    Args:
        embeddings (Tensor): Unit-norm embeddings of all contrastive views, shape (M, D).
        labels (Tensor): Their labels, shape (M, ).
        num_images (int): Number of images N of the batch; M = V * N.

    Returns:
        dict[str, Tensor]: 0-d tensors ``anchors_with_positives`` (share of anchors, 0 to 1, whose
        class has another image in the batch), ``positive_similarity`` and ``negative_similarity``
        (mean cosine over the pairs of different embeddings of one class and of two classes;
        NaN without such a pair).
    """
    rows = len(labels)
    embeddings = embeddings.float()
    ordered = labels.sort().values
    first = torch.searchsorted(ordered, labels)
    occurrences = torch.searchsorted(ordered, labels, right=True) - first
    class_sums = torch.zeros_like(embeddings).index_add(0, first, embeddings)
    itself = embeddings.square().sum()
    same = class_sums.square().sum() - itself
    every = embeddings.sum(dim=0).square().sum() - itself
    same_pairs = (occurrences - 1).sum()
    return {
        'anchors_with_positives': (occurrences > rows // num_images).float().mean(),
        'positive_similarity': same / same_pairs,
        'negative_similarity': (every - same) / (rows * (rows - 1) - same_pairs),
    }
