"""FeatureSpaceMetric over batches: streaming, bounded memory, what it says when data is missing."""

import pytest
import torch
from mmengine.evaluator import Evaluator
from mmpretrain.structures import DataSample

from rcl_mm.evaluation import FeatureSpaceMetric

COUNTS = [300, 200, 60, 30, 8, 3]


@pytest.fixture
def log(monkeypatch):
    messages = []
    monkeypatch.setattr(
        'rcl_mm.evaluation.shot_groups_mixin.print_log',
        lambda message, logger=None, level=None: messages.append(message),
    )
    return messages


def predictions(num_samples=200, num_classes=6, dim=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, num_classes, (num_samples,), generator=generator)
    centres = torch.randn(num_classes, dim, generator=generator)
    features = centres[labels] + 0.3 * torch.randn(num_samples, dim, generator=generator)
    return features, labels


def samples(features, labels, num_classes=6):
    batch = []
    for feature, label in zip(features, labels):
        sample = DataSample().set_gt_label(int(label)).set_pred_score(torch.ones(num_classes))
        sample.set_field(feature, 'feature')
        batch.append(sample)
    return batch


class TestFeatureSpaceMetric:
    @pytest.mark.parametrize('batch', [1, 7, 64, 200])
    def test_evaluate__any_batch_size__equals_calculate(self, batch):
        features, labels = predictions()
        evaluator = Evaluator(dict(type='FeatureSpaceMetric', class_counts=COUNTS))
        for _ in range(2):  # a second validation starts from nothing
            for start in range(0, 200, batch):
                part = slice(start, start + batch)
                evaluator.process(samples(features[part], labels[part]))
            metrics = evaluator.evaluate(200)
        expected = FeatureSpaceMetric.calculate(features, labels, class_counts=COUNTS)
        assert metrics == pytest.approx({f'feature_space/{k}': v for k, v in expected.items()})

    def test_evaluate__repeated_last_sample__is_dropped(self):
        features, labels = predictions()
        metric = FeatureSpaceMetric(class_counts=COUNTS)
        metric.process(None, [s.to_dict() for s in samples(features, labels)])
        metrics = metric.evaluate(199)
        expected = FeatureSpaceMetric.calculate(features[:-1], labels[:-1], class_counts=COUNTS)
        assert metrics == pytest.approx({f'feature_space/{k}': v for k, v in expected.items()})

    def test_process__state_does_not_grow_with_the_samples(self):
        metric = FeatureSpaceMetric(num_samples=32, class_counts=COUNTS)
        for seed in range(20):
            metric.process(None, [s.to_dict() for s in samples(*predictions(seed=seed))])
        statistics = metric.accumulator.statistics
        assert statistics.sums.shape == (6, 5) and statistics.counts.shape == (6,)
        kept = sum(len(part['labels']) for part in metric.accumulator.reservoir._parts)
        assert kept <= 32 + 256 + 200 and not metric.results

    def test_evaluate__unknown_counts__overall_figures_and_said_once(self, log):
        metric = FeatureSpaceMetric()
        for _ in range(2):
            metric.process(None, [s.to_dict() for s in samples(*predictions())])
            metrics = metric.evaluate(200)
        assert len(metrics) == 8 and 'feature_space/nc1' in metrics
        assert len(log) == 1 and 'class_counts' in log[0]

    def test_evaluate__features_not_finite__said_and_no_figures(self, log):
        features, labels = predictions()
        features[3, 2] = float('nan')
        metric = FeatureSpaceMetric(class_counts=COUNTS)
        metric.process(None, [s.to_dict() for s in samples(features, labels)])
        assert metric.evaluate(200) == {}
        assert any('not finite' in message for message in log)

    def test_evaluate__zero_features__said(self, log):
        features, labels = predictions()
        features[:3] = 0
        metric = FeatureSpaceMetric(class_counts=COUNTS)
        metric.process(None, [s.to_dict() for s in samples(features, labels)])
        expected = FeatureSpaceMetric.calculate(features[3:], labels[3:], class_counts=COUNTS)
        assert metric.evaluate(200)['feature_space/nc1'] == pytest.approx(expected['nc1'])
        assert any('3 features are all zero' in message for message in log)

    def test_evaluate__no_pred_score__classes_of_the_data_set(self):
        features, labels = predictions()
        batch = [
            {'feature': feature, 'gt_label': label.reshape(1)}
            for feature, label in zip(features, labels)
        ]
        metric = FeatureSpaceMetric()
        with pytest.raises(ValueError, match='number of classes'):
            metric.process(None, batch)
        metric = FeatureSpaceMetric()
        metric.dataset_meta = {'classes': list('abcdef')}
        metric.process(None, batch)
        assert 'feature_space/compactness' in metric.evaluate(200)

    def test_process__counts_of_another_length__error(self):
        metric = FeatureSpaceMetric(class_counts=[1, 2, 3])
        with pytest.raises(ValueError, match='has 3 entries, but the model scores 6 classes'):
            metric.process(None, [s.to_dict() for s in samples(*predictions())])

    @pytest.mark.parametrize(
        ('options', 'message'),
        [
            ({'space': 'pixels'}, "space is 'pixels', allowed are feature, embedding"),
            ({'num_samples': 1}, 'num_samples is 1'),
            ({'many': 1}, 'few=20 is above many=1'),
        ],
    )
    def test_init__bad_options__error(self, options, message):
        with pytest.raises(ValueError, match=message):
            FeatureSpaceMetric(**options)
