"""ResultsRecorder: what it keeps of each test image, and what it writes after the test."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmpretrain.structures import DataSample

from rcl_mm.evaluation import LongTailMetric, ResultsRecorder, read_results
from rcl_mm.evaluation.example_images import choose_examples, load_thumbnails
from rcl_mm.evaluation.feature_space_metric import FeatureSpaceMetric
from rcl_mm.evaluation.results_recorder import (
    classes_on_map,
    record_results,
    save_results,
    score_margin,
)

COUNTS = [300, 200, 60, 30, 8, 3]


class Images:
    """A data set with images in memory, on disk, and one that is gone."""

    def __init__(self, folder):
        self.folder = folder
        gray = np.full((100, 50, 3), 128, dtype=np.uint8)
        cv2.imwrite(str(folder / 'image.png'), gray)

    def get_data_info(self, index):
        if index % 3 == 0:
            return {'img': np.full((32, 32, 1), index % 256, dtype=np.uint8)}
        if index % 3 == 1:
            return {'img_path': str(self.folder / 'image.png')}
        return {'img_path': str(self.folder / 'missing.png')}


def predictions(num_samples=240, num_classes=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    target = torch.arange(num_samples) % num_classes
    logits = torch.randn(num_samples, num_classes, generator=generator)
    logits[torch.arange(num_samples), target] += 1
    features = torch.randn(num_samples, 5, generator=generator)
    batch = []
    for index in range(num_samples):
        sample = DataSample(metainfo=dict(sample_idx=num_samples - 1 - index))
        sample.set_gt_label(int(target[index])).set_pred_score(logits[index].softmax(0))
        sample.set_field(features[index], 'feature')
        batch.append(sample)
    return batch, logits, target, features


def record(batch, **options):
    recorder = ResultsRecorder(class_counts=COUNTS, **options)
    evaluator = Evaluator([recorder])
    for start in range(0, len(batch), 50):
        evaluator.process(batch[start : start + 50])
    assert evaluator.evaluate(len(batch)) == {}
    return recorder


class TestResultsRecorder:
    def test_evaluate__keeps_labels_confidence_margin_and_order(self):
        batch, logits, target, _ = predictions()
        results = record(batch).results_of_test
        np.testing.assert_array_equal(results.target, target)
        np.testing.assert_array_equal(results.predicted, logits.argmax(1))
        np.testing.assert_allclose(results.confidence, logits.softmax(1).amax(1), rtol=1e-6)
        np.testing.assert_array_equal(results.indices, np.arange(240)[::-1])
        others = logits.clone()
        others[torch.arange(240), target] = -torch.inf
        margin = logits[torch.arange(240), target] - others.amax(1)
        np.testing.assert_allclose(results.margin, margin, atol=1e-4)
        assert results.classes == list('012345') and results.groups[-1] == 'few'

    def test_evaluate__feature_space__as_the_metric(self):
        batch, _, target, features = predictions()
        results = record(batch).results_of_test
        expected = FeatureSpaceMetric.calculate(features, target, class_counts=COUNTS)
        assert results.diagnostics['feature'] == pytest.approx(expected)
        space = results.spaces['feature']
        unit = torch.nn.functional.normalize(features, dim=1)
        for label in range(6):
            mean = unit[target == label].mean(dim=0)
            np.testing.assert_allclose(space.class_means[label], mean, atol=1e-3)
        np.testing.assert_allclose(space.map_features, unit[space.map_positions], atol=1e-3)
        assert len(np.unique(space.map_positions)) == len(space.map_positions) == 240
        assert 'embedding' not in results.spaces

    def test_evaluate__several_labels__no_results_and_said(self, monkeypatch):
        messages = []
        monkeypatch.setattr(
            'rcl_mm.evaluation.shot_groups_mixin.print_log',
            lambda message, logger=None, level=None: messages.append(message),
        )
        sample = DataSample().set_gt_label([0, 1]).set_pred_score(torch.rand(6))
        recorder = record([sample] * 3)
        assert recorder.results_of_test is None and 'no single label' in messages[0]

    def test_process__label_out_of_range__one_clear_error(self):
        batch = predictions(6)[0]
        batch[3].set_gt_label(6)
        with pytest.raises(ValueError, match=r'target labels run from 0 to 6, allowed is 0..5'):
            record(batch)

    def test_evaluate__without_features__the_rest_is_there(self):
        batch, *_ = predictions()
        for sample in batch:
            del sample.feature
        results = record(batch).results_of_test
        assert results.spaces == {} and len(results.target) == 240

    def test_evaluate__features_not_finite__the_rest_is_there(self):
        batch, *_ = predictions()
        batch[7].feature[0] = float('inf')
        results = record(batch).results_of_test
        assert results.spaces == {} and len(results.target) == 240


class TestScoreMargin:
    def test_score_margin__far_apart_scores__finite(self):
        logits = torch.tensor([[60.0, 0.0, -60.0]])
        margin = score_margin(logits.softmax(1), torch.tensor([0]))
        assert margin.item() == pytest.approx(60, abs=1e-3)
        assert torch.isfinite(score_margin(logits.softmax(1), torch.tensor([2]))).all()

    def test_score_margin__one_class__nan(self):
        assert score_margin(torch.ones(2, 1), torch.zeros(2, dtype=torch.long)).isnan().all()


class TestClassesOnMap:
    def test_classes_on_map__few_classes__all(self):
        assert classes_on_map(10, np.arange(10), 100, 20).tolist() == list(range(10))

    def test_classes_on_map__many_classes__ten_of_each_group(self):
        counts = (1280 / 256 ** (np.arange(1000) / 999)).astype(int)
        chosen = classes_on_map(1000, counts, 100, 20)
        assert len(chosen) == 30
        assert [(counts[chosen] > 100).sum(), (counts[chosen] < 20).sum()] == [10, 10]

    def test_classes_on_map__counts_unknown__spread_over_the_labels(self):
        chosen = classes_on_map(1000, None, 100, 20)
        assert len(chosen) == 30 and chosen[0] == 0 and chosen[-1] == 999


class TestSaveResults:
    def test_save_results__work_dir_and_out(self, tmp_path):
        batch, logits, target, _ = predictions()
        recorder = record(batch)
        metrics = {'long_tail/top1': 50.0}
        images = Images(tmp_path)
        out = tmp_path / 'table.csv'
        save_results(recorder, metrics, images, tmp_path / 'run', 'epoch_1.pth', out=out)
        results = read_results(tmp_path / 'run')
        assert out.read_text().count('\n') == 7
        assert results.run['checkpoint'] == 'epoch_1.pth' and results.metrics == metrics
        assert results.run['versions']['torch'] == torch.__version__.split('+')[0]
        examples = choose_examples(results)
        wanted = {p for example in examples for p in example.positions}
        readable = {p for p in wanted if results.indices[p] % 3 != 2}
        assert set(results.thumbnails) == readable and readable
        for position, image in results.thumbnails.items():
            if results.indices[position] % 3 == 0:
                assert (image == results.indices[position] % 256).all() and image.shape[2] == 3
            else:
                assert image.shape == (64, 32, 3) and (image == 128).all()

    def test_save_results__no_single_label__error_only_if_asked_for(self, tmp_path):
        recorder = ResultsRecorder()
        assert save_results(recorder, {}, None, tmp_path, 'a.pth') is None
        with pytest.raises(ValueError, match='was not written'):
            save_results(recorder, {}, None, tmp_path, 'a.pth', out=tmp_path / 'a.csv')
        assert not list(tmp_path.iterdir())

    def test_record_results__groups_of_the_configured_metric(self):
        metric = LongTailMetric(class_counts=COUNTS, many=250, few=5)
        evaluator = Evaluator([metric])
        evaluator.dataset_meta = {'classes': list('abcdef')}
        recorder = record_results(SimpleNamespace(test_evaluator=evaluator))
        assert evaluator.metrics[-1] is recorder and recorder.dataset_meta is not None
        assert (recorder.many, recorder.few) == (250, 5)
        assert recorder.class_counts.tolist() == COUNTS
        assert record_results(SimpleNamespace(test_evaluator=evaluator), False).needed_spaces == ()


class TestChooseExamples:
    def test_choose_examples__worst_first_with_their_main_confusion(self):
        batch, *_ = predictions()
        results = record(batch).results_of_test
        examples = choose_examples(results, limit=3)
        accuracy = [1 - e.count / e.total for e in examples]
        per_class = [np.mean(results.predicted[results.target == c] == c) for c in range(6)]
        assert [per_class[e.true] for e in examples] == sorted(per_class)[:3]
        for example in examples:
            wrong = results.predicted[(results.target == example.true)]
            wrong = wrong[wrong != example.true]
            assert example.count == np.bincount(wrong).max()
            assert all(results.target[p] == example.true for p in example.mistaken)
            assert all(results.predicted[p] == example.predicted for p in example.mistaken)
            assert results.target[example.reference[0]] == example.predicted
        assert len(accuracy) == 3

    def test_choose_examples__all_right__none(self):
        batch, *_ = predictions()
        results = record(batch).results_of_test
        results.predicted = results.target
        assert choose_examples(results) == []

    def test_load_thumbnails__data_set_without_images__empty(self):
        assert load_thumbnails(object(), np.arange(3), [0, 1]) == {}
