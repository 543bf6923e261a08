"""FeatureCollectorHook: features of stock heads and RCLHead reach the metrics, and only then."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, MODELS
from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS
from mmpretrain.structures import DataSample
from torch import nn

import rcl_mm  # noqa: F401
from rcl_mm.engine.hooks.features import FeatureCollectorHook
from rcl_mm.evaluation import FeatureSpaceMetric, LongTailMetric

RCL_HEAD = dict(
    type='RCLHead',
    num_classes=4,
    in_channels=64,
    embedding_dim=8,
    loss=dict(type='RCLLoss', class_counts=[40, 30, 20, 10]),
)
LINEAR_HEAD = dict(type='LinearClsHead', num_classes=4, in_channels=64)


def build_model(head):
    torch.manual_seed(0)
    config = dict(
        type='ImageClassifier',
        backbone=dict(type='CIFARResNet', depth=8),
        neck=dict(type='GlobalAveragePooling'),
        head=head,
    )
    return MMPRETRAIN_MODELS.build(config).eval()


def runner_with(model, *metrics):
    evaluator = SimpleNamespace(metrics=list(metrics))
    return SimpleNamespace(model=model, val_evaluator=evaluator, test_evaluator=evaluator)


@torch.no_grad()
def predict(model, number=3):
    images = torch.randn(number, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    samples = [DataSample().set_gt_label(i) for i in range(number)]
    return images, model(images, samples, mode='predict')


class TestFeatureCollectorHook:
    @pytest.mark.parametrize('head', [LINEAR_HEAD, RCL_HEAD], ids=['stock', 'rcl'])
    def test_before_val__feature_wanted__is_what_the_classifier_scores(self, head):
        model = build_model(head)
        hook = FeatureCollectorHook()
        hook.before_val(runner_with(model, LongTailMetric(), FeatureSpaceMetric()))
        images, samples = predict(model)
        with torch.no_grad():
            feats = model.extract_feat(images)
            expected = model.head.pre_logits(feats)
            scores = model.head.fc(expected).softmax(1)
        for sample, feature, score in zip(samples, expected, scores):
            torch.testing.assert_close(sample.feature, feature)
            torch.testing.assert_close(sample.pred_score, score)
            assert 'embedding' not in sample

    def test_before_test__embedding_wanted__unit_norm_projection(self):
        model = build_model(RCL_HEAD)
        FeatureCollectorHook().before_test(
            runner_with(model, FeatureSpaceMetric(space='embedding', prefix='embedding_space'))
        )
        images, samples = predict(model)
        with torch.no_grad():
            feature = model.head.pre_logits(model.extract_feat(images))
            expected = model.head.projector(feature)
        found = torch.stack([sample.embedding for sample in samples])
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(found.norm(dim=1), torch.ones(3))
        assert 'feature' not in samples[0]

    @pytest.mark.parametrize('stage', ['val', 'test'])
    def test_after__model_is_as_before(self, stage):
        model = build_model(LINEAR_HEAD)
        hook = FeatureCollectorHook()
        runner = runner_with(model, FeatureSpaceMetric())
        getattr(hook, f'before_{stage}')(runner)
        getattr(hook, f'before_{stage}')(runner)
        assert 'feature' in predict(model)[1][0]
        getattr(hook, f'after_{stage}')(runner)
        assert 'feature' not in predict(model)[1][0]
        assert 'predict' not in vars(model.head)

    def test_before_val__no_metric_asks__nothing_is_done(self):
        model = build_model(LINEAR_HEAD)
        FeatureCollectorHook().before_val(runner_with(model, LongTailMetric()))
        assert 'predict' not in vars(model.head)

    def test_before_val__wrapped_model__finds_the_classifier(self):
        model = build_model(LINEAR_HEAD)
        wrapper = nn.Module()
        wrapper.module = model
        FeatureCollectorHook().before_val(runner_with(wrapper, FeatureSpaceMetric()))
        assert 'feature' in predict(model)[1][0]

    def test_before_val__model_without_head__clear_error(self):
        with pytest.raises(ValueError, match='Linear has no head with pre_logits'):
            FeatureCollectorHook().before_val(runner_with(nn.Linear(2, 2), FeatureSpaceMetric()))

    def test_metric__without_the_hook__names_it(self):
        model = build_model(LINEAR_HEAD)
        batch = [sample.to_dict() for sample in predict(model)[1]]
        metric = FeatureSpaceMetric()
        with pytest.raises(ValueError, match='FeatureCollectorHook'):
            metric.process(None, batch)

    def test_build__from_the_root_registry(self):
        hook = HOOKS.build(dict(type='FeatureCollectorHook'))
        assert isinstance(hook, Hook) and MODELS.get('RCLHead') is not None
