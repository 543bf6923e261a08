"""LDAM's loss against a double loop over its equations, and the normalised classifier."""

import math

import numpy as np
import pytest
import torch

import rcl_mm.models  # noqa: F401
from rcl_mm.datasets import long_tailed_counts
from rcl_mm.models.cosine_head import CosineClsHead
from rcl_mm.models.ldam import LDAMLoss

COUNTS = [500, 60, 8]


def reference(cosines, target, counts, max_margin, scale, weights=None) -> float:
    """Equations 10 to 13 of Cao et al. (2019), with the community's weighted mean."""
    margins = [n**-0.25 for n in counts]
    margins = [m * max_margin / max(margins) for m in margins]
    weights = [1.0] * len(counts) if weights is None else weights
    total = norm = 0.0
    for row, label in zip(cosines.tolist(), target.tolist()):
        own = math.exp(scale * (row[label] - margins[label]))
        others = sum(math.exp(scale * q) for c, q in enumerate(row) if c != label)
        total -= weights[label] * math.log(own / (own + others))
        norm += weights[label]
    return total / norm


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    cosines = 2 * torch.rand(7, 3, generator=generator, dtype=torch.float64) - 1
    return cosines, torch.tensor([0, 0, 1, 2, 2, 0, 1])


@pytest.mark.parametrize('max_margin, scale', [(0.5, 30.0), (0.3, 10.0), (0.0, 30.0)])
def test_loss_is_the_published_one(batch, max_margin, scale) -> None:
    cosines, target = batch
    loss = LDAMLoss(COUNTS, max_margin=max_margin, scale=scale)
    expected = reference(cosines, target, COUNTS, max_margin, scale)
    assert float(loss(scale * cosines, target)) == pytest.approx(expected, rel=1e-5)


def test_weighted_loss_is_the_mean_over_the_weights(batch) -> None:
    cosines, target = batch
    loss = LDAMLoss(COUNTS)
    weights = [0.2, 1.0, 1.8]
    loss.set_class_weights(torch.tensor(weights))
    expected = reference(cosines, target, COUNTS, 0.5, 30.0, weights)
    assert float(loss(30 * cosines, target)) == pytest.approx(expected, rel=1e-5)
    # As MMPretrain's heads call it.
    by_head = loss(30 * cosines, target, avg_factor=len(target))
    assert float(by_head) == pytest.approx(expected, rel=1e-5)
    loss.set_class_weights(None)
    unweighted = reference(cosines, target, COUNTS, 0.5, 30.0)
    assert float(loss(30 * cosines, target)) == pytest.approx(unweighted, rel=1e-5)


def test_weighted_losses_of_samples_do_not_depend_on_each_other(batch) -> None:
    scores, target = batch
    loss = LDAMLoss(COUNTS)
    plain = loss(scores, target, reduction_override='none')
    weights = torch.linspace(0.5, 2, len(COUNTS))
    loss.set_class_weights(weights)
    each = loss(scores, target, reduction_override='none')
    torch.testing.assert_close(each, plain * weights[target])
    torch.testing.assert_close(loss(scores, target, reduction_override='sum'), each.sum())


def test_equal_class_weights_change_nothing(batch) -> None:
    cosines, target = batch
    loss = LDAMLoss(COUNTS)
    before = loss(30 * cosines, target)
    loss.set_class_weights(torch.full((3,), 7.0))
    assert loss(30 * cosines, target) == pytest.approx(float(before), rel=1e-6)


def test_margins_of_cifar10_lt() -> None:
    """Widest for the rarest class; 100 times as many images give a margin of 1/100^(1/4)."""
    counts = long_tailed_counts(10, 5000, 100)
    margins = LDAMLoss(counts.tolist()).margins()
    assert margins[-1] == pytest.approx(0.5)
    assert margins[0] == pytest.approx(0.5 / 100**0.25)
    assert (margins.diff() > 0).all()


def test_class_without_images_has_no_margin_and_no_say() -> None:
    margins = LDAMLoss([100, 0, 25]).margins()
    assert margins.tolist() == pytest.approx([0.5 / 4**0.25, 0.0, 0.5])


def test_gradient_is_softmax_less_label(batch) -> None:
    cosines, target = batch
    scores = (30 * cosines).requires_grad_()
    loss = LDAMLoss(COUNTS)
    loss(scores, target).backward()
    label = torch.nn.functional.one_hot(target, 3)
    shifted = 30 * (cosines - label * loss.margins()[target, None])
    expected = (shifted.softmax(1) - label) / len(target)
    assert torch.allclose(scores.grad, expected, atol=1e-6)
    assert scores.grad.abs().sum() > 0


def test_reductions(batch) -> None:
    cosines, target = batch
    loss = LDAMLoss(COUNTS, loss_weight=2.0)
    each = loss(30 * cosines, target, reduction_override='none')
    assert each.shape == (7,)
    assert loss(30 * cosines, target) == pytest.approx(float(each.mean()))
    assert loss(30 * cosines, target, reduction_override='sum') == pytest.approx(float(each.sum()))


def test_bad_input() -> None:
    with pytest.raises(ValueError, match='max_margin=-1 must be 0 or more'):
        LDAMLoss(COUNTS, max_margin=-1)
    with pytest.raises(ValueError, match='reduction="max" is unknown'):
        LDAMLoss(COUNTS, reduction='max')
    with pytest.raises(ValueError, match=r'class weights have shape \(2,\), needed is \(3,\)'):
        LDAMLoss(COUNTS).set_class_weights(torch.ones(2))
    with pytest.raises(ValueError, match='soft labels'):
        LDAMLoss(COUNTS)(torch.zeros(2, 3), torch.full((2, 3), 1 / 3))
    with pytest.raises(ValueError, match='does not know the class counts yet'):
        LDAMLoss(num_classes=3)(torch.zeros(2, 3), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match='scale is 0, allowed is above 0'):
        CosineClsHead(num_classes=3, in_channels=4, scale=0)


def test_cosine_head_scores_are_scaled_cosines() -> None:
    head = CosineClsHead(num_classes=3, in_channels=4, scale=30.0)
    features = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    scores = head((features,)).detach().numpy()
    weight = head.fc.weight.detach().numpy()
    for i, feature in enumerate(features.numpy()):
        for c in range(3):
            norms = np.linalg.norm(feature) * np.linalg.norm(weight[c])
            assert scores[i, c] == pytest.approx(30 * feature @ weight[c] / norms, rel=1e-4)
    assert head.fc.bias is None
