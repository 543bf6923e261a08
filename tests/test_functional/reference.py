"""The losses as METHOD's equations read: a double loop over explicit pairs, in float64.

Slow on purpose and with no shortcut shared with the library, so that autograd through these loops
is an independent gradient as well.
"""

from typing import List, Optional

import torch
from torch import Tensor


def naive_anchor_losses(
    embeddings: Tensor,
    labels: Tensor,
    prototypes: Optional[Tensor] = None,
    class_counts: Optional[Tensor] = None,
    temperature: float = 0.1,
    feature_scale: float = 1.0,
    prototype_scale: Optional[float] = None,
    prior_power: float = 1.0,
    class_averaging: bool = True,
) -> List[Optional[Tensor]]:
    """L_i of every anchor from the first form of the equation; None for one without a positive."""
    keys = [(feature_scale * row.double(), int(label)) for row, label in zip(embeddings, labels)]
    if prototype_scale is None:
        prototype_scale = feature_scale
    if prototypes is not None:
        keys += [(prototype_scale * row.double(), label) for label, row in enumerate(prototypes)]
    losses: List[Optional[Tensor]] = []
    for i, (anchor, own_label) in enumerate(keys[: len(embeddings)]):
        others = [(k, key, label) for k, (key, label) in enumerate(keys) if k != i]
        positives = [(k, key) for k, key, label in others if label == own_label]
        if not positives:
            losses.append(None)
            continue

        def similarity(key, anchor=anchor):
            return anchor @ key / temperature

        def weight(label):
            return float(class_counts[label]) ** prior_power if prior_power else 1.0

        denominator = torch.zeros((), dtype=torch.float64)
        for label in sorted({label for _, _, label in others}):
            members = [key for _, key, other in others if other == label]
            total = sum(torch.exp(similarity(key)) for key in members)
            average = total / len(members) if class_averaging else total
            denominator = denominator + weight(label) * average
        terms = [
            torch.log(weight(own_label) * torch.exp(similarity(key)) / denominator)
            for _, key in positives
        ]
        losses.append(-sum(terms) / len(positives))
    return losses


def naive_loss(*args, reduction: str = 'mean', **kwargs) -> Tensor:
    """Mean over the anchors with a positive (0 without any), their sum, or all with 0 for None."""
    losses = naive_anchor_losses(*args, **kwargs)
    zero = args[0].double().sum() * 0
    if reduction == 'none':
        return torch.stack([zero if loss is None else loss for loss in losses])
    valid = [loss for loss in losses if loss is not None]
    total = sum(valid, zero)
    return total if reduction == 'sum' else total / max(len(valid), 1)


def naive_balanced_softmax(scores: Tensor, target: Tensor, class_counts: Tensor) -> Tensor:
    """-sum_c t_c log( n_c exp(l_c) / sum_j n_j exp(l_j) ) of every sample, in float64."""
    if not target.is_floating_point():
        target = torch.nn.functional.one_hot(target, scores.shape[1])
    losses = []
    for row, share in zip(scores.double(), target.double()):
        weighted = [float(n) * torch.exp(score) for n, score in zip(class_counts, row)]
        losses.append(
            -sum(
                share[c] * torch.log(term / sum(weighted))
                for c, term in enumerate(weighted)
                if share[c] > 0
            )
        )
    return torch.stack(losses)
