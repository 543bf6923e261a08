"""Settings and divisors that detection and segmentation heads give a softmax loss."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS

from rcl_mm.errors import InputError

COUNTS = [40, 9, 120]
LOSSES = ('RCLLoss', 'BalancedSoftmaxLoss', 'LDAMLoss')
WEIGHTS = [1.0, 0.5, 0.1]


def build(name, **settings):
    return MODELS.build(dict(type=name, class_counts=COUNTS, **settings))


@pytest.fixture
def scores():
    torch.manual_seed(0)
    return torch.randn(4, 3, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize('name', LOSSES)
class TestSoftmaxSettings:
    def test_use_sigmoid__false_is_the_loss_as_it_is(self, name, scores):
        target = torch.tensor([0, 1, 2, 2])
        with_it, without = build(name, use_sigmoid=False), build(name)
        assert with_it.use_sigmoid is False and without.use_sigmoid is False
        assert torch.equal(with_it(scores, target), without(scores, target))

    def test_use_sigmoid__true_is_refused(self, name):
        with pytest.raises(InputError, match='use_sigmoid=True, allowed is False'):
            build(name, use_sigmoid=True)

    def test_class_weight__each_samples_loss_times_its_classs(self, name, scores):
        target = torch.tensor([0, 1, 2, 2])
        plain = build(name, reduction='none')(scores, target)
        weighted = build(name, reduction='none', class_weight=WEIGHTS)(scores, target)
        assert torch.allclose(weighted, plain * torch.tensor(WEIGHTS)[target])
        mean = build(name, class_weight=WEIGHTS)(scores, target)
        assert torch.allclose(mean, weighted.mean())

    def test_class_weight__is_not_in_checkpoints(self, name):
        assert (
            build(name, class_weight=WEIGHTS).state_dict().keys() == build(name).state_dict().keys()
        )

    @pytest.mark.parametrize('wrong', ['heavy', [1.0, -1.0, 1.0], [[1.0, 1.0, 1.0]], 3.0])
    def test_class_weight__no_weights(self, name, wrong):
        with pytest.raises(InputError, match='allowed is'):
            build(name, class_weight=wrong)

    def test_class_weight__of_other_classes(self, name, scores):
        loss = build(name, class_weight=[1.0, 1.0])
        with pytest.raises(InputError, match='2 entries, but the scores have 3 classes'):
            loss(scores, torch.tensor([0, 1, 2, 2]))

    @pytest.mark.parametrize('nothing', [0, 0.0, torch.tensor(0.0), torch.tensor(0)])
    @pytest.mark.parametrize('weight', [None, torch.zeros(4)])
    def test_avg_factor__of_zero_gives_zero(self, name, scores, nothing, weight):
        loss = build(name)(scores, torch.tensor([0, 1, 2, 2]), weight, avg_factor=nothing)
        loss.backward()
        assert loss == 0 and not scores.grad.any()

    @pytest.mark.parametrize('factor', [2, 2.5, torch.tensor(2.5)])
    def test_avg_factor__divides_the_sum(self, name, scores, factor):
        target = torch.tensor([0, 1, 2, 2])
        total = build(name, reduction='sum')(scores, target)
        assert torch.allclose(build(name)(scores, target, avg_factor=factor), total / float(factor))


class TestClassWeightOfSoftTargets:
    @pytest.mark.parametrize('name', LOSSES[:2])
    def test_as_torchs_cross_entropy(self, name, scores):
        target = torch.softmax(torch.randn(4, 3, dtype=torch.float64), dim=1)
        adjusted = scores + torch.tensor(COUNTS).double().log()
        weights = torch.tensor(WEIGHTS, dtype=torch.float64)
        expected = F.cross_entropy(adjusted, target, weight=weights, reduction='none')
        loss = build(name, class_weight=WEIGHTS, reduction='none')(scores, target)
        assert torch.allclose(loss, expected, atol=1e-6)
