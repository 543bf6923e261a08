"""Balanced softmax cross-entropy against the double loop, hard and soft targets."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from rcl_mm.functional import balanced_softmax_loss, rebalanced_contrastive_loss

from .cases import COUNTS, NUM_CLASSES
from .reference import naive_balanced_softmax

GENERATOR = torch.Generator().manual_seed(0)
SCORES = torch.randn(9, NUM_CLASSES, generator=GENERATOR, dtype=torch.float64) * 3
LABELS = torch.randint(NUM_CLASSES, (9,), generator=GENERATOR)
SHARES = torch.rand(9, NUM_CLASSES, generator=GENERATOR, dtype=torch.float64)
TARGETS = {'hard': LABELS, 'soft': SHARES / SHARES.sum(1, keepdim=True)}


@pytest.mark.parametrize('kind', TARGETS)
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
@pytest.mark.parametrize('reduction', ['none', 'sum', 'mean'])
def test_value_and_gradient(kind, dtype, reduction):
    scores = SCORES.to(dtype, copy=True).requires_grad_()
    value = balanced_softmax_loss(scores, TARGETS[kind], COUNTS, reduction=reduction)
    reference = SCORES.to(dtype, copy=True).requires_grad_()
    expected = naive_balanced_softmax(reference, TARGETS[kind], COUNTS)
    expected = getattr(expected, reduction)() if reduction != 'none' else expected
    tolerance = 1e-11 if dtype == torch.float64 else 2e-6
    torch.testing.assert_close(value.double(), expected, rtol=tolerance, atol=tolerance)
    (gradient,) = torch.autograd.grad(value.sum(), scores)
    (wanted,) = torch.autograd.grad(expected.sum(), reference)
    torch.testing.assert_close(gradient, wanted, rtol=5 * tolerance, atol=5 * tolerance)


@pytest.mark.parametrize('kind', TARGETS)
def test_under_bf16_autocast(kind):
    scores = SCORES.bfloat16()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        value = balanced_softmax_loss(scores, TARGETS[kind], COUNTS, reduction='none')
    assert value.dtype == torch.float32
    expected = naive_balanced_softmax(scores, TARGETS[kind], COUNTS)
    torch.testing.assert_close(value.double(), expected, rtol=3e-6, atol=3e-6)


def test_one_hot_target_is_the_hard_target():
    one_hot = F.one_hot(LABELS, NUM_CLASSES).double()
    torch.testing.assert_close(
        balanced_softmax_loss(SCORES, one_hot, COUNTS),
        balanced_softmax_loss(SCORES, LABELS, COUNTS),
    )


@pytest.mark.parametrize('kind', TARGETS)
def test_without_prior_is_cross_entropy(kind):
    value = balanced_softmax_loss(SCORES, TARGETS[kind], None, prior_power=0)
    torch.testing.assert_close(value, F.cross_entropy(SCORES, TARGETS[kind]))


@pytest.mark.parametrize('kind', TARGETS)
def test_equal_counts_are_cross_entropy(kind):
    value = balanced_softmax_loss(SCORES, TARGETS[kind], torch.full((NUM_CLASSES,), 12))
    torch.testing.assert_close(value, F.cross_entropy(SCORES, TARGETS[kind]))


def test_factor_on_all_counts_changes_nothing():
    torch.testing.assert_close(
        balanced_softmax_loss(SCORES, LABELS, COUNTS),
        balanced_softmax_loss(SCORES, LABELS, COUNTS * 1000),
    )


@pytest.mark.parametrize('soft', [False, True])
def test_class_without_images_takes_no_part(soft):
    labels = LABELS.clamp(max=4)
    counts = COUNTS.clone()
    counts[5] = 0
    scores = SCORES.clone().requires_grad_()
    target = F.one_hot(labels, NUM_CLASSES).double() if soft else labels
    value = balanced_softmax_loss(scores, target, counts)
    expected = balanced_softmax_loss(SCORES[:, :5], labels, counts[:5])
    torch.testing.assert_close(value, expected)
    value.backward()
    assert scores.grad.isfinite().all() and not scores.grad[:, 5].any()


def test_gradcheck():
    scores = SCORES.clone().requires_grad_()
    for target in TARGETS.values():
        assert torch.autograd.gradcheck(
            partial(balanced_softmax_loss, target=target, class_counts=COUNTS), scores
        )


def test_large_scores_stay_finite():
    scores = (SCORES.float() * 1e4).requires_grad_()
    loss = balanced_softmax_loss(scores, LABELS, COUNTS)
    loss.backward()
    assert loss.isfinite() and scores.grad.isfinite().all()


@pytest.mark.parametrize('kind', [list, np.asarray])
def test_counts_as_a_list_or_an_array(kind):
    counts = kind(COUNTS.tolist())
    embeddings = F.normalize(SCORES, dim=1)
    torch.testing.assert_close(
        balanced_softmax_loss(SCORES, LABELS, counts), balanced_softmax_loss(SCORES, LABELS, COUNTS)
    )
    torch.testing.assert_close(
        rebalanced_contrastive_loss(embeddings, LABELS, class_counts=counts),
        rebalanced_contrastive_loss(embeddings, LABELS, class_counts=COUNTS),
    )
