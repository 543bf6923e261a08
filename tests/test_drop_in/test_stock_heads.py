"""RCLLoss in the heads of MMPretrain, and as MMDetection and MMSegmentation call it."""

import math

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS as ROOT_MODELS
from mmpretrain.models.heads import ClsHead
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

COUNTS = [400, 60, 12, 3]
CLASSES, CHANNELS, BATCH = 4, 16, 6

# What each head needs beyond num_classes and in_channels, and what its backbone gives it.
pooled = torch.Size([BATCH, CHANNELS])
SETTINGS = {
    'LinearClsHead': ({}, lambda: (torch.randn(pooled),)),
    'StackedLinearClsHead': (dict(mid_channels=[8]), lambda: (torch.randn(pooled),)),
    'VisionTransformerClsHead': (dict(hidden_dim=8), lambda: (torch.randn(pooled),)),
    'VigClsHead': (dict(hidden_dim=8), lambda: (torch.randn(pooled),)),
    'ArcFaceClsHead': ({}, lambda: (torch.randn(pooled),)),
    'EfficientFormerClsHead': (dict(distillation=False), lambda: (torch.randn(pooled),)),
    'LeViTClsHead': (dict(distillation=False), lambda: (torch.randn(pooled),)),
    'DeiTClsHead': ({}, lambda: ([torch.randn(pooled), torch.randn(pooled)],)),
    'ConformerHead': (
        dict(in_channels=[CHANNELS, CHANNELS]),
        lambda: ([torch.randn(pooled), torch.randn(pooled)],),
    ),
    'ClsHead': (dict(num_classes=None, in_channels=None), lambda: (torch.randn(BATCH, CLASSES),)),
}


def single_label_heads():
    """By code: all of MMPretrain's heads whose loss is one of class scores and labels."""
    return sorted(
        name
        for name, cls in MODELS.module_dict.items()
        if isinstance(cls, type)
        and issubclass(cls, ClsHead)
        and cls.__module__.startswith('mmpretrain.')
    )


def samples(labels):
    return [DataSample().set_gt_label(label) for label in labels]


class TestMMPretrain:
    def test_every_single_label_head_is_tried(self):
        assert single_label_heads() == sorted(SETTINGS)

    @pytest.mark.parametrize('name', sorted(SETTINGS))
    @pytest.mark.filterwarnings('ignore:MMPretrain cannot train the distilled')
    def test_trains(self, name):
        """With equal counts the loss is cross-entropy's; with a tail it is not; gradients flow."""
        torch.manual_seed(0)
        settings, features = SETTINGS[name]
        cfg = {'type': name, 'num_classes': CLASSES, 'in_channels': CHANNELS, **settings}
        cfg = {key: value for key, value in cfg.items() if value is not None}
        feats = features()
        data_samples = samples([0, 0, 0, 1, 2, 3])
        losses = {}
        for kind, loss in (
            ('cross entropy', dict(type='CrossEntropyLoss')),
            ('equal', dict(type='RCLLoss', class_counts=[7] * CLASSES)),
            ('tail', dict(type='RCLLoss', class_counts=COUNTS)),
        ):
            torch.manual_seed(1)
            head = MODELS.build({**cfg, 'loss': loss})
            head.train()
            for feat in feats:
                for one in feat if isinstance(feat, list) else [feat]:
                    one.requires_grad_(True).grad = None
            losses[kind] = head.loss(feats, data_samples)['loss']
            losses[kind].backward()
            last = feats[-1][0] if isinstance(feats[-1], list) else feats[-1]
            assert torch.isfinite(last.grad).all() and last.grad.abs().sum() > 0
        torch.testing.assert_close(losses['equal'], losses['cross entropy'])
        assert abs(losses['tail'] - losses['equal']) > 1e-3

    def test_soft_labels_of_mixup(self):
        head = MODELS.build(
            dict(
                type='LinearClsHead',
                num_classes=CLASSES,
                in_channels=CHANNELS,
                loss=dict(type='RCLLoss', class_counts=COUNTS),
            )
        )
        score = torch.tensor([0.5, 0.5, 0.0, 0.0])
        feats = (torch.randn(2, CHANNELS),)
        loss = head.loss(feats, [DataSample().set_gt_score(score) for _ in range(2)])['loss']
        log_p = (head(feats) + torch.tensor(COUNTS).log()).log_softmax(dim=1)
        torch.testing.assert_close(loss, -(score * log_p).sum(dim=1).mean())

    def test_says_once_what_is_missing(self, monkeypatch):
        said = []
        monkeypatch.setattr(
            'rcl_mm.models.losses.print_log', lambda text, *args, **kwargs: said.append(text)
        )
        loss = ROOT_MODELS.build(dict(type='RCLLoss', class_counts=COUNTS))
        for _ in range(3):
            loss(torch.randn(2, CLASSES), torch.tensor([0, 1]))
        assert len(said) == 1 and 'For the contrastive part use head=' in said[0]


def expected(scores, labels, ignore=None):
    """Balanced softmax cross-entropy of each target, (N, ), by hand; 0 where ignored."""
    values = []
    for row, label in zip(scores.tolist(), labels.tolist()):
        if label == ignore:
            values.append(0.0)
            continue
        logits = [score + math.log(count) for score, count in zip(row, COUNTS)]
        values.append(math.log(sum(math.exp(one) for one in logits)) - logits[label])
    return torch.tensor(values)


@pytest.fixture
def loss():
    return ROOT_MODELS.build(dict(type='RCLLoss', class_counts=COUNTS))


class TestMMDetectionConvention:
    """``loss_cls(cls_score, labels, label_weights, avg_factor=..., reduction_override=...)``"""

    def test_weights_and_avg_factor(self, loss):
        scores, labels = torch.randn(5, CLASSES), torch.tensor([0, 3, 3, 1, 2])
        weights = torch.tensor([1.0, 0.0, 2.0, 1.0, 0.5])
        value = loss(scores, labels, weights, avg_factor=3.0)
        torch.testing.assert_close(value, (expected(scores, labels) * weights).sum() / 3.0)

    def test_reduction_override(self, loss):
        scores, labels = torch.randn(5, CLASSES), torch.tensor([0, 3, 3, 1, 2])
        each = loss(scores, labels, torch.ones(5), reduction_override='none')
        torch.testing.assert_close(each, expected(scores, labels))
        total = loss(scores, labels, reduction_override='sum')
        torch.testing.assert_close(total, each.sum())

    def test_no_positive_boxes(self, loss):
        """All weights 0 and an average factor of 1, as for an image without boxes."""
        scores = torch.randn(3, CLASSES, requires_grad=True)
        value = loss(scores, torch.tensor([3, 3, 3]), torch.zeros(3), avg_factor=1.0)
        value.backward()
        assert value == 0 and torch.equal(scores.grad, torch.zeros_like(scores))


class TestMMSegmentationConvention:
    """``loss_decode(seg_logits, seg_label, weight=..., ignore_index=...)`` and ``loss_name``"""

    def test_maps_with_ignored_pixels(self, loss):
        scores = torch.randn(2, CLASSES, 3, 5)
        labels = torch.randint(0, CLASSES, (2, 3, 5))
        labels[0, 0] = 255
        value = loss(scores, labels, weight=None, ignore_index=255)
        each = expected(scores.movedim(1, -1).flatten(0, 2), labels.flatten(), ignore=255)
        torch.testing.assert_close(value, each.sum() / (labels != 255).sum())

    def test_each_pixel_for_hard_example_mining(self, loss):
        scores = torch.randn(2, CLASSES, 3, 5)
        labels = torch.randint(0, CLASSES, (2, 3, 5))
        each = loss(scores, labels, ignore_index=255, reduction_override='none')
        assert each.shape == labels.shape
        flat = scores.movedim(1, -1).flatten(0, 2)
        torch.testing.assert_close(each.flatten(), expected(flat, labels.flatten()))

    def test_all_pixels_ignored(self, loss):
        scores = torch.randn(1, CLASSES, 2, 2, requires_grad=True)
        value = loss(scores, torch.full((1, 2, 2), 255), ignore_index=255)
        value.backward()
        assert value == 0 and torch.isfinite(scores.grad).all()

    def test_name_in_the_log(self):
        cfg = dict(type='RCLLoss', class_counts=COUNTS, loss_name='loss_tail')
        assert ROOT_MODELS.build(cfg).loss_name == 'loss_tail'

    def test_equal_counts_are_cross_entropy(self):
        loss = ROOT_MODELS.build(dict(type='RCLLoss', class_counts=[5] * CLASSES))
        scores, labels = torch.randn(2, CLASSES, 3, 3), torch.randint(0, CLASSES, (2, 3, 3))
        torch.testing.assert_close(loss(scores, labels), F.cross_entropy(scores, labels))
