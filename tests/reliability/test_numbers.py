"""The whole loss stays finite, forward and backward, at every extreme that a config can ask for."""

import pytest
import torch
import torch.nn.functional as F

from rcl_mm.models import BalancedSoftmaxLoss, RCLLoss

CLASSES, IMAGES, DIM = 6, 8, 16
COUNTS = {
    'equal': [1] * CLASSES,
    'long tail': [10**9, 10**7, 10**5, 10**3, 10, 1],
    'huge': [10**9] * CLASSES,
}


def embeddings_of(kind, labels):
    """Unit-norm embeddings (M, D) and prototypes (C, D) at an extreme of the similarities."""
    generator = torch.Generator().manual_seed(0)
    axes = torch.eye(CLASSES, DIM)
    same = axes[:1]
    if kind == 'all the same':
        return same.repeat(len(labels), 1), same.repeat(CLASSES, 1)
    if kind == 'opposite to the own prototype':
        return -axes[labels], axes
    if kind == 'on the own prototype':
        return axes[labels], axes
    return (
        F.normalize(torch.randn(len(labels), DIM, generator=generator), dim=1),
        F.normalize(torch.randn(CLASSES, DIM, generator=generator), dim=1),
    )


@pytest.mark.parametrize('temperature', [0.01, 0.1, 10])
@pytest.mark.parametrize('counts', COUNTS)
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    'kind',
    ['all the same', 'opposite to the own prototype', 'on the own prototype', 'random'],
)
class TestRCLLoss:
    def test_value_and_gradients_are_finite(self, kind, dtype, counts, temperature):
        """Under autocast, as in training: the scores come in the low precision."""
        labels = torch.arange(IMAGES) % CLASSES
        contrasted = labels.repeat(2)
        embeddings, prototypes = embeddings_of(kind, contrasted)
        leaves = [
            embeddings.requires_grad_(),
            prototypes.requires_grad_(),
            torch.full((IMAGES, CLASSES), 60_000.0 if kind == 'random' else 0.0).requires_grad_(),
        ]
        loss = RCLLoss(class_counts=COUNTS[counts], temperature=temperature)
        autocast = torch.autocast('cpu', dtype=dtype, enabled=dtype != torch.float32)
        with autocast:
            value = loss(
                leaves[2].to(dtype),
                labels,
                embeddings=leaves[0].to(dtype),
                labels=contrasted,
                prototypes=leaves[1].to(dtype),
            )
        assert value.isfinite() and value.dtype == torch.float32
        gradients = torch.autograd.grad(value, leaves)
        assert all(gradient.isfinite().all() for gradient in gradients)


class TestBalancedSoftmaxLoss:
    @pytest.mark.parametrize('score', [0.0, 1e4, -1e4, 3e38])
    def test_extreme_scores(self, score):
        scores = torch.zeros(2, CLASSES)
        scores[0, 0] = score
        scores.requires_grad_()
        loss = BalancedSoftmaxLoss(class_counts=COUNTS['long tail'])
        value = loss(scores, torch.tensor([0, 5]))
        assert value.isfinite()
        assert torch.autograd.grad(value, scores)[0].isfinite().all()
