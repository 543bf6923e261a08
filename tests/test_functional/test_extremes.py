"""Values at the edges: tiny temperatures, huge scales, identical embeddings, one class, one row."""

import math

import pytest
import torch
import torch.nn.functional as F

from rcl_mm.functional import rebalanced_contrastive_loss

from .cases import COUNTS, make_batch


def value_and_gradients(embeddings, labels, prototypes, counts=COUNTS, **options):
    loss = rebalanced_contrastive_loss(embeddings, labels, prototypes, counts, **options)
    leaves = [x for x in (embeddings, prototypes) if x is not None]
    return loss.detach(), torch.autograd.grad(loss, leaves)


@pytest.mark.parametrize('chunk_size', [None, 3])
@pytest.mark.parametrize('temperature', [1e-4, 1e-2, 1e4])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
def test_stays_finite_at_any_temperature(temperature, dtype, chunk_size):
    """exp(1 / 1e-4) overflows every float type; logsumexp does not."""
    value, gradients = value_and_gradients(
        *make_batch(dtype=dtype), temperature=temperature, chunk_size=chunk_size
    )
    assert value.isfinite()
    if temperature >= 1e-2 or dtype == torch.float32:
        assert all(gradient.isfinite().all() for gradient in gradients)


def test_tiny_temperature_is_the_gap_to_the_best_key():
    """tau -> 0: tau * L_i = max_{k != i} u_i.u_k - mean over the positives of u_i.u_p."""
    embeddings, labels, prototypes = make_batch(seed=5)
    value = rebalanced_contrastive_loss(
        embeddings, labels, prototypes, COUNTS, temperature=1e-9, reduction='none'
    )
    keys, key_labels = torch.cat([embeddings, prototypes]), torch.cat([labels, torch.arange(6)])
    similarity = (embeddings @ keys.T).detach().fill_diagonal_(-torch.inf)
    positive = (labels[:, None] == key_labels) & similarity.isfinite()
    mean = similarity.masked_fill(~positive, 0).sum(1) / positive.sum(1)
    torch.testing.assert_close(
        value.detach() * 1e-9, similarity.max(dim=1).values - mean, rtol=0, atol=1e-7
    )


def test_collapsed_embeddings_give_the_log_of_the_balanced_class_number():
    """All similarities equal: L_i = log( sum_c n_c / n_{y_i} ), whoever is in the batch."""
    labels = torch.tensor([0, 0, 0, 1, 4, 4])
    direction = F.normalize(torch.ones(1, 5, dtype=torch.float64))
    value = rebalanced_contrastive_loss(
        direction.repeat(6, 1), labels, direction.repeat(6, 1), COUNTS, reduction='none'
    )
    torch.testing.assert_close(value, (COUNTS.sum() / COUNTS[labels].double()).log())


def test_gradient_vanishes_when_all_is_in_place():
    """Far apart classes, equal positives: nothing left to do (here to 1e-6)."""
    embeddings = torch.eye(4, dtype=torch.float64).repeat(2, 1).requires_grad_()
    prototypes = torch.eye(4, dtype=torch.float64).requires_grad_()
    value, gradients = value_and_gradients(
        embeddings, torch.arange(4).repeat(2), prototypes, torch.ones(4), temperature=0.05
    )
    # Each anchor: log( exp(1/tau) + 3 exp(0) ) - 1/tau = log(1 + 3 exp(-20)).
    assert value.item() == pytest.approx(math.log1p(3 * math.exp(-20)), rel=1e-6)
    assert max(gradient.abs().max() for gradient in gradients) < 1e-6


@pytest.mark.parametrize('chunk_size', [None, 1])
def test_one_class_of_one_image(chunk_size):
    """Only positives in the denominator, the prototype alone: L = 0 and so is the gradient."""
    embeddings, labels, prototypes = make_batch(images=1, views=1, num_classes=1)
    value, gradients = value_and_gradients(
        embeddings, labels, prototypes, torch.tensor([7]), chunk_size=chunk_size
    )
    assert abs(value) < 1e-14
    assert max(gradient.abs().max() for gradient in gradients) < 1e-14


def test_empty_batch_with_prototypes():
    _, _, prototypes = make_batch()
    empty = torch.zeros(0, 8, dtype=torch.float64, requires_grad=True)
    value, gradients = value_and_gradients(empty, torch.zeros(0, dtype=torch.long), prototypes)
    assert value == 0 and not gradients[1].any()


def test_class_without_training_images_takes_no_part():
    """n_c = 0 of a class outside the batch: its prototype leaves the denominator, no NaN."""
    embeddings, labels, prototypes = make_batch(seed=3)
    absent = 5
    labels = labels.clamp(max=4)
    counts = COUNTS.clone()
    counts[absent] = 0
    value, (gradient, prototype_gradient) = value_and_gradients(
        embeddings, labels, prototypes, counts
    )
    kept = prototypes[:absent].detach().requires_grad_()
    expected, (wanted, _) = value_and_gradients(embeddings, labels, kept, counts[:absent])
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient, wanted)
    assert not prototype_gradient[absent].any()


def test_a_label_of_minus_one_on_an_accelerator_is_left_out(monkeypatch):
    """The CPU refuses it; where a look at the labels would make the host wait, it is no key."""
    monkeypatch.setattr('rcl_mm.functional._check_label_values', lambda *_: None)
    embeddings, labels, prototypes = make_batch(seed=3)
    labels[2:5] = -1
    value, (gradient, _) = value_and_gradients(embeddings, labels, prototypes)
    kept = labels >= 0
    rows = embeddings[kept].detach().requires_grad_()
    expected, (wanted, _) = value_and_gradients(rows, labels[kept], prototypes)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient[kept], wanted)
    assert not gradient[2:5].any()


def test_huge_imbalance_in_float32():
    embeddings, labels, prototypes = make_batch(dtype=torch.float32)
    counts = torch.tensor([10**9, 10**7, 10**5, 10**3, 10, 1])
    value, gradients = value_and_gradients(embeddings, labels, prototypes, counts, prior_power=3)
    double = [x.detach().double().requires_grad_() for x in (embeddings, prototypes)]
    expected, wanted = value_and_gradients(
        double[0], labels, double[1], counts.double(), prior_power=3
    )
    torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=1e-5)
    for gradient, reference in zip(gradients, wanted):
        torch.testing.assert_close(gradient.double(), reference, rtol=1e-4, atol=1e-5)
