"""Per-class results: against scikit-learn, written, read back, and refused when they are broken."""

import csv
import json

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix as sklearn_confusion
from sklearn.metrics import precision_recall_fscore_support

from rcl_mm.evaluation.feature_space import FeatureSpace
from rcl_mm.evaluation.results import (
    Results,
    ResultsError,
    calibration,
    confusion_matrix,
    per_class_table,
    read_results,
    write_results,
)


def make_results(num_classes=6, num_samples=300, seed=0, **changes):
    rng = np.random.default_rng(seed)
    target = np.arange(num_samples) % num_classes
    hit = rng.random(num_samples) < 0.6
    predicted = np.where(hit, target, rng.integers(0, num_classes, num_samples))
    values = dict(
        classes=[f'class {c}, "{chr(97 + c)}"' for c in range(num_classes)],
        train_counts=np.array([300, 200, 60, 30, 8, 3])[:num_classes],
        many=100,
        few=20,
        target=target,
        predicted=predicted,
        confidence=rng.uniform(0.2, 1, num_samples),
        margin=rng.normal(size=num_samples),
        indices=np.arange(num_samples)[::-1].copy(),
        spaces={
            'feature': FeatureSpace(
                rng.normal(size=(num_classes, 4)).astype(np.float16),
                np.linspace(0.5, 0.9, num_classes),
                np.array([np.nan] + [40.0] * (num_classes - 1)),
                rng.normal(size=(20, 4)).astype(np.float16),
                np.arange(20),
            )
        },
        diagnostics={'feature': {'compactness': 0.7}},
        metrics={'long_tail/top1': 61.0, 'other': float('nan')},
        run={'command': 'python tools/test.py', 'versions': {'torch': '2'}},
        thumbnails={3: np.full((8, 8, 3), 7, dtype=np.uint8)},
    )
    values.update(changes)
    return Results(**values)


class TestTables:
    def test_per_class_table__equals_scikit_learn(self):
        results = make_results()
        rows = per_class_table(results)
        precision, recall, f1, support = precision_recall_fscore_support(
            results.target, results.predicted
        )
        for column, expected in (('precision', precision), ('recall', recall), ('f1', f1)):
            np.testing.assert_allclose([row[column] for row in rows], 100 * expected)
        assert [row['test_count'] for row in rows] == support.tolist()
        assert [row['accuracy'] for row in rows] == [row['recall'] for row in rows]
        assert [row['group'] for row in rows] == ['many'] * 2 + ['medium'] * 2 + ['few'] * 2
        assert rows[0]['angle_min'] is None and rows[1]['angle_min'] == 40.0

    def test_per_class_table__undefined_figures__none(self):
        results = make_results(
            target=np.array([0, 0, 1]), predicted=np.array([0, 0, 2]), train_counts=None, spaces={}
        )
        rows = per_class_table(results)
        assert rows[1]['precision'] is None and rows[1]['f1'] == 0.0
        assert rows[2]['accuracy'] is None and rows[2]['f1'] is None
        assert rows[2]['precision'] == 0.0
        assert rows[0]['group'] is None and rows[0]['train_count'] is None
        assert 'compactness' not in rows[0]

    def test_confusion_matrix__equals_scikit_learn(self):
        results = make_results()
        sparse = confusion_matrix(results)
        dense = np.zeros((6, 6), dtype=int)
        dense[sparse['true'], sparse['predicted']] = sparse['count']
        np.testing.assert_array_equal(dense, sklearn_confusion(results.target, results.predicted))
        assert min(sparse['count']) > 0

    def test_calibration__bins_and_error(self):
        results = make_results()
        bins = calibration(results, num_bins=10)
        assert sum(bins['count']) == 300 and bins['confidence'][0] is None
        gaps = [
            n * abs(a - c)
            for n, a, c in zip(bins['count'], bins['accuracy'], bins['confidence'])
            if n
        ]
        assert bins['ece'] == pytest.approx(sum(gaps) / 300)

    def test_calibration__unknown_confidence__none(self):
        assert calibration(make_results(confidence=np.full(300, np.nan))) is None


class TestWriteResults:
    def test_write_results__json__reads_back_the_same(self, tmp_path):
        results = make_results()
        write_results(tmp_path / 'new' / 'results.json', results)
        back = read_results(tmp_path / 'new')
        assert back.classes == results.classes and back.fingerprint == results.fingerprint
        for name in ('target', 'predicted', 'indices', 'train_counts'):
            np.testing.assert_array_equal(getattr(back, name), getattr(results, name))
        np.testing.assert_allclose(back.margin, results.margin, rtol=1e-6)
        for key, value in vars(results.spaces['feature']).items():
            np.testing.assert_array_equal(getattr(back.spaces['feature'], key), value)
        np.testing.assert_array_equal(back.thumbnails[3], results.thumbnails[3])
        assert back.metrics == {'long_tail/top1': 61.0, 'other': None}
        assert back.diagnostics == results.diagnostics and back.run == results.run
        assert sorted(p.name for p in (tmp_path / 'new').iterdir()) == [
            'results.json',
            'results.npz',
        ]

    def test_write_results__json__is_strict_and_complete(self, tmp_path):
        write_results(tmp_path / 'results.json', make_results())
        text = (tmp_path / 'results.json').read_text()
        document = json.loads(text, parse_constant=lambda name: pytest.fail(f'{name} in JSON'))
        assert {'per_class', 'confusion', 'calibration', 'metrics', 'run'} <= set(document)
        assert document['num_samples'] == 300 and len(document['per_class']) == 6

    def test_write_results__csv__one_row_per_class(self, tmp_path):
        results = make_results()
        write_results(tmp_path / 'table.csv', results)
        with (tmp_path / 'table.csv').open(newline='') as file:
            rows = list(csv.DictReader(file))
        assert [row['class'] for row in rows] == results.classes
        assert float(rows[2]['accuracy']) == per_class_table(results)[2]['accuracy']
        assert rows[0]['angle_min'] == ''

    def test_write_results__names_that_are_not_utf8(self, tmp_path):
        names = ['caf\udce9', '\ud800', *'abcd']
        results = make_results(classes=names)
        write_results(tmp_path / 'results.json', results)
        back = read_results(tmp_path)
        assert back.classes == names and back.fingerprint == results.fingerprint
        results.classes[1] = 'b'
        write_results(tmp_path / 'table.csv', results)
        assert b'0,caf\\udce9,' in (tmp_path / 'table.csv').read_bytes()

    def test_write_results__thousands_of_classes__quick_and_small(self, tmp_path):
        rng = np.random.default_rng(0)
        num_classes = 8142
        results = make_results(
            classes=[f'species {c}' for c in range(num_classes)],
            train_counts=rng.integers(2, 1000, num_classes),
            target=np.arange(24426) % num_classes,
            predicted=rng.integers(0, num_classes, 24426),
            confidence=rng.random(24426),
            margin=rng.normal(size=24426),
            indices=np.arange(24426),
            spaces={},
        )
        write_results(tmp_path / 'results.json', results)
        assert (tmp_path / 'results.json').stat().st_size < 5e6
        assert read_results(tmp_path).num_classes == num_classes

    def test_write_results__other_suffix__error_and_no_file(self, tmp_path):
        with pytest.raises(ValueError, match='.json or .csv, got'):
            write_results(tmp_path / 'results.txt', make_results())
        assert not list(tmp_path.iterdir())


class TestReadResults:
    def test_read_results__no_results__says_what_to_run(self, tmp_path):
        with pytest.raises(ResultsError, match='has no results.json: run tools/test.py'):
            read_results(tmp_path)

    @pytest.mark.parametrize('damage', ['truncate', 'no_arrays', 'bad_arrays', 'format', 'text'])
    def test_read_results__damaged__one_sentence(self, tmp_path, damage):
        write_results(tmp_path / 'results.json', make_results())
        document, arrays = tmp_path / 'results.json', tmp_path / 'results.npz'
        if damage == 'truncate':
            document.write_text(document.read_text()[:100])
        elif damage == 'no_arrays':
            arrays.unlink()
        elif damage == 'bad_arrays':
            arrays.write_bytes(arrays.read_bytes()[:200])
        elif damage == 'format':
            document.write_text('{"format": 99}')
        else:
            document.write_text('[1, 2]')
        with pytest.raises(ResultsError, match='run tools/test.py again') as error:
            read_results(tmp_path)
        assert '\n' not in str(error.value)

    def test_read_results__pickled_array__refused(self, tmp_path):
        write_results(tmp_path / 'results.json', make_results())
        np.savez(tmp_path / 'results.npz', target=np.array([{}], dtype=object))
        with pytest.raises(ResultsError):
            read_results(tmp_path)
