"""LongTailMetric against naive formulas and scikit-learn, and what it says when data is missing."""

import logging

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.registry import METRICS
from mmpretrain.structures import DataSample
from sklearn.metrics import balanced_accuracy_score, recall_score

from rcl_mm.evaluation import LongTailMetric

COUNTS = [500, 101, 100, 60, 20, 19, 5, 1]


@pytest.fixture
def log(monkeypatch):
    """Messages of the metrics' log lines with their level."""
    messages = []

    def record(message, logger=None, level=logging.INFO):
        messages.append((level, message))

    for module in ('long_tail_metric', 'shot_groups_mixin'):
        monkeypatch.setattr(f'rcl_mm.evaluation.{module}.print_log', record)
    return messages


def random_predictions(num_samples=400, num_classes=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    target = torch.arange(num_samples) % num_classes
    scores = torch.randn(num_samples, num_classes, generator=generator)
    scores[torch.arange(num_samples), target] += torch.linspace(3, 0, num_classes)[target]
    return scores.softmax(1), target


def samples(scores, target):
    return [DataSample().set_gt_label(int(t)).set_pred_score(s) for s, t in zip(scores, target)]


def naive_metrics(scores, target, counts, many=100, few=20, num_bins=15):
    """The definitions, one sample and one class at a time, in float64."""
    scores, target = scores.double().tolist(), target.tolist()
    predicted = [max(range(len(s)), key=lambda c: s[c]) for s in scores]
    accuracy = {}
    for c in range(len(counts)):
        of_class = [p == t for p, t in zip(predicted, target) if t == c]
        if of_class:
            accuracy[c] = sum(of_class) / len(of_class)
    mean = lambda values: 100 * sum(values) / len(values) if values else None  # noqa: E731
    result = {
        'top1': mean([p == t for p, t in zip(predicted, target)]),
        'balanced': mean(list(accuracy.values())),
        'many': mean([a for c, a in accuracy.items() if counts[c] > many]),
        'medium': mean([a for c, a in accuracy.items() if few <= counts[c] <= many]),
        'few': mean([a for c, a in accuracy.items() if counts[c] < few]),
        'worst': 100 * min(accuracy.values()),
    }
    gap = 0.0
    for b in range(num_bins):
        inside = [
            (s[p], p == t)
            for s, p, t in zip(scores, predicted, target)
            if b / num_bins < s[p] <= (b + 1) / num_bins
        ]
        gap += abs(sum(confidence - hit for confidence, hit in inside))
    result['ece'] = 100 * gap / len(target)
    return result


class TestCalculate:
    def test_calculate__scores__equals_naive(self):
        scores, target = random_predictions()
        expected = naive_metrics(scores, target, COUNTS)
        assert LongTailMetric.calculate(scores, target, COUNTS) == pytest.approx(expected)
        assert list(LongTailMetric.calculate(scores, target, COUNTS)) == list(expected)

    def test_calculate__labels__equals_scikit_learn(self):
        scores, target = random_predictions(seed=1)
        predicted = scores.argmax(1)
        metrics = LongTailMetric.calculate(predicted, target, COUNTS)
        recalls = recall_score(target, predicted, average=None)
        assert metrics['balanced'] == pytest.approx(
            100 * balanced_accuracy_score(target, predicted)
        )
        assert metrics['worst'] == pytest.approx(100 * recalls.min())
        assert metrics['few'] == pytest.approx(100 * recalls[5:].mean())
        assert 'ece' not in metrics

    def test_calculate__thresholds__move_the_groups(self):
        scores, target = random_predictions(seed=2)
        metrics = LongTailMetric.calculate(scores, target, COUNTS, many=300, few=2)
        expected = naive_metrics(scores, target, COUNTS, many=300, few=2)
        assert metrics == pytest.approx(expected)

    def test_calculate__group_without_classes__has_no_figure(self):
        metrics = LongTailMetric.calculate([0, 1, 1], [0, 1, 0], class_counts=[900, 800])
        assert metrics == pytest.approx(
            {'top1': 200 / 3, 'balanced': 75.0, 'many': 75.0, 'worst': 50.0}
        )

    def test_calculate__class_without_test_images__is_left_out(self):
        metrics = LongTailMetric.calculate([0, 0, 1], [0, 0, 1], class_counts=[500, 50, 5])
        assert metrics == {
            'top1': 100.0,
            'balanced': 100.0,
            'many': 100.0,
            'medium': 100.0,
            'worst': 100.0,
        }

    def test_calculate__confident_and_wrong__ece_is_the_gap(self):
        scores = torch.tensor([[0.9, 0.1]] * 4)
        metrics = LongTailMetric.calculate(scores, torch.tensor([0, 0, 1, 1]))
        assert metrics['ece'] == pytest.approx(40.0)

    def test_calculate__docstring_example(self):
        metrics = LongTailMetric.calculate([0, 0, 1, 0], [0, 0, 1, 2], class_counts=[500, 50, 5])
        assert metrics['top1'] == 75.0
        assert metrics['balanced'] == pytest.approx(200 / 3)
        assert (metrics['many'], metrics['medium'], metrics['few']) == (100.0, 100.0, 0.0)

    @pytest.mark.parametrize(
        ('pred', 'target', 'options', 'message'),
        [
            ([0, 1], [0], {}, 'pred has 2 samples and target 1'),
            ([], [], {}, 'at least one'),
            ([0, 1], [0, 2], {'class_counts': [5, 5]}, r'target labels run from 0 to 2.*0\.\.1'),
            ([0, 3], [0, 1], {'class_counts': [5, 5]}, 'predicted labels run from 0 to 3'),
            ([[0.2, 0.8]], [1], {'class_counts': [5]}, 'class_counts has 1 entries'),
            ([[2.0, 1.0]], [1], {}, 'probabilities in 0..1, got 2.0'),
        ],
    )
    def test_calculate__bad_input__one_clear_error(self, pred, target, options, message):
        with pytest.raises(ValueError, match=message):
            LongTailMetric.calculate(pred, target, **options)


class TestLongTailMetric:
    def test_evaluate__in_batches__equals_naive(self, log):
        scores, target = random_predictions()
        evaluator = Evaluator(dict(type='LongTailMetric', class_counts=COUNTS))
        for start in range(0, 400, 64):
            evaluator.process(samples(scores[start : start + 64], target[start : start + 64]))
        metrics = evaluator.evaluate(400)
        expected = naive_metrics(scores, target, COUNTS)
        assert metrics == pytest.approx({f'long_tail/{k}': v for k, v in expected.items()})
        (level, line), *others = log
        assert not others and level == logging.INFO and '\n' not in line
        assert f'many {expected["many"]:.2f} (2 classes)' in line
        assert 'medium' in line and '(3 classes)' in line and f'few {expected["few"]:.2f}' in line

    def test_evaluate__half_precision_scores(self):
        scores, target = random_predictions()
        metric = LongTailMetric(class_counts=COUNTS)
        batch = [s.to_dict() for s in samples(scores.bfloat16(), target)]
        metric.process(None, batch)
        expected = LongTailMetric.calculate(scores.bfloat16(), target, COUNTS)
        assert metric.evaluate(400) == pytest.approx(
            {f'long_tail/{k}': v for k, v in expected.items()}
        )

    def test_evaluate__counts_from_the_hook__auto_only(self):
        scores, target = random_predictions()
        automatic = LongTailMetric()
        assert not automatic.class_counts_known
        automatic.set_class_counts(np.array(COUNTS))
        fixed = LongTailMetric(class_counts=COUNTS)
        fixed.set_class_counts(COUNTS[::-1])
        without = LongTailMetric(class_counts=None)
        without.set_class_counts(COUNTS)
        assert automatic.class_counts_known and not without.class_counts_known
        assert fixed.class_counts.tolist() == automatic.class_counts.tolist() == COUNTS

    def test_evaluate__counts_from_a_file(self, tmp_path):
        (tmp_path / 'counts.json').write_text(str(COUNTS))
        assert LongTailMetric(str(tmp_path / 'counts.json')).class_counts.tolist() == COUNTS

    def test_evaluate__unknown_counts__groups_left_out_and_said_once(self, log):
        scores, target = random_predictions()
        metric = LongTailMetric()
        for _ in range(2):
            metric.process(None, [s.to_dict() for s in samples(scores, target)])
            metrics = metric.evaluate(400)
        assert set(metrics) == {f'long_tail/{k}' for k in ('top1', 'balanced', 'worst', 'ece')}
        warnings = [message for level, message in log if level == logging.WARNING]
        assert len(warnings) == 1 and 'ClassCountsHook' in warnings[0]

    def test_evaluate__classes_without_test_images__named_once(self, log):
        scores, target = random_predictions()
        keep = (target != 2) & (target != 6)
        metric = LongTailMetric(class_counts=COUNTS)
        metric.dataset_meta = {'classes': list('abcdefgh')}
        for _ in range(2):
            metric.process(None, [s.to_dict() for s in samples(scores[keep], target[keep])])
            metrics = metric.evaluate(int(keep.sum()))
        expected = naive_metrics(scores[keep], target[keep], COUNTS)
        assert metrics == pytest.approx({f'long_tail/{k}': v for k, v in expected.items()})
        warnings = [message for level, message in log if level == logging.WARNING]
        assert len(warnings) == 1 and '2 of 8' in warnings[0] and warnings[0].endswith('c, g')

    def test_evaluate__predicted_labels_only__no_ece(self, log):
        scores, target = random_predictions()
        metric = LongTailMetric(class_counts=COUNTS)
        labels = [
            DataSample().set_gt_label(int(t)).set_pred_label(int(p)).to_dict()
            for t, p in zip(target, scores.argmax(1))
        ]
        metric.process(None, labels)
        metrics = metric.evaluate(400)
        expected = naive_metrics(scores, target, COUNTS)
        expected.pop('ece')
        assert metrics == pytest.approx({f'long_tail/{k}': v for k, v in expected.items()})
        assert any('ece is left out' in message for _, message in log)

    def test_process__keeps_three_numbers_per_sample(self):
        scores, target = random_predictions()
        metric = LongTailMetric()
        metric.process(None, [s.to_dict() for s in samples(scores, target)])
        assert len(metric.results) == 400
        assert all(len(result) == 3 for result in metric.results)
        assert all(isinstance(value, (int, float)) for value in metric.results[0])

    def test_evaluate__counts_of_another_length__error(self):
        scores, target = random_predictions()
        metric = LongTailMetric(class_counts=COUNTS[:-1])
        metric.process(None, [s.to_dict() for s in samples(scores, target)])
        with pytest.raises(ValueError, match='has 7 entries, but the model scores 8 classes'):
            metric.evaluate(400)

    def test_process__several_labels__error(self):
        metric = LongTailMetric()
        sample = DataSample().set_gt_label([0, 2]).set_pred_score([0.1, 0.1, 0.8])
        with pytest.raises(ValueError, match='one gt_label per sample'):
            metric.process(None, [sample.to_dict()])

    @pytest.mark.parametrize('options', [{'many': 10, 'few': 20}, {'num_bins': 0}])
    def test_init__bad_options__error(self, options):
        with pytest.raises(ValueError, match='few=20 is above many=10|num_bins is 0'):
            LongTailMetric(**options)

    def test_build__from_the_root_registry(self):
        metric = METRICS.build(dict(type='LongTailMetric', prefix='test'))
        assert isinstance(metric, LongTailMetric) and metric.prefix == 'test'
