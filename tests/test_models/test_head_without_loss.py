"""RCLHead: each part that needs a gradient gets one, so that distributed training goes on."""

import pytest
import torch
from mmpretrain.structures import DataSample

from rcl_mm.models import RCLHead


def build(con_weight=1.0, cls_weight=1.0, **settings):
    loss = dict(type='RCLLoss', con_weight=con_weight, cls_weight=cls_weight)
    loss['class_counts'] = [5, 3, 2]
    return RCLHead(num_classes=3, in_channels=8, embedding_dim=4, loss=loss, **settings)


class TestPartsWithoutLoss:
    @pytest.mark.parametrize('views', [2, 3])
    @pytest.mark.parametrize('classifier', ['linear', 'cosine'])
    @pytest.mark.parametrize('prototypes', ['projected', 'learnable', None])
    @pytest.mark.parametrize('weights', [(1, 1), (0, 1), (1, 0)])
    def test_gradients(self, weights, prototypes, classifier, views):
        head = build(*weights, prototypes=prototypes, classifier=classifier)
        samples = [DataSample().set_gt_label(label) for label in (0, 1, 2, 0)]
        losses = head.loss((torch.randn(views * 4, 8),), samples)
        sum(value for name, value in losses.items() if name.startswith('loss')).backward()
        for name, parameter in head.named_parameters():
            assert parameter.requires_grad == (parameter.grad is not None), name

    def test_standalone(self):
        head = build(classifier=None, prototypes='learnable')
        assert all(parameter.requires_grad for parameter in head.parameters())

    def test_checkpoints_fit_whatever_the_weights(self):
        assert set(build(0).state_dict()) == set(build(1).state_dict())
        assert len(list(build(0).parameters())) == len(list(build(1).parameters()))
