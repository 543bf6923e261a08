"""Seeds of one method are put together; what can not be compared is refused."""

import numpy as np
import pytest

from rcl_mm.evaluation import LongTailMetric
from rcl_mm.evaluation.results import ResultsError
from rcl_mm.report.config_diff import config_differences, flatten
from rcl_mm.report.figures_accuracy import confidence_interval
from rcl_mm.report.methods import load_methods

from .fake_runs import fake_work_dir


class TestLoadMethods:
    def test_load_methods__seeds_of_two_methods__by_their_configs(self, tmp_path):
        specs = []
        for loss, head in (('RCLLoss', 'RCLHead'), ('CrossEntropyLoss', 'LinearClsHead')):
            for seed in range(3):
                folder = tmp_path / f'{head}_seed{seed}'
                fake_work_dir(folder, loss=loss, head=head, seed=seed)
                specs.append(str(folder))
        methods, notes = load_methods(specs)
        assert [(method.name, len(method.runs)) for method in methods] == [
            ('RCLHead', 3),
            ('LinearClsHead', 3),
        ]
        assert notes == []

    def test_load_methods__names_given__group_and_title(self, tmp_path):
        one = fake_work_dir(tmp_path / 'a', seed=0)
        two = fake_work_dir(tmp_path / 'b', seed=1)
        methods, _ = load_methods([f'ours={one}', f'theirs={two}'])
        assert [method.name for method in methods] == ['ours', 'theirs']
        methods, _ = load_methods([f'ours={one}', f'ours={two}'])
        assert [(method.name, len(method.runs)) for method in methods] == [('ours', 2)]

    def test_load_methods__same_folder_name__told_apart_by_path(self, tmp_path):
        one = fake_work_dir(tmp_path / 'x' / 'run')
        two = fake_work_dir(tmp_path / 'y' / 'run', loss='CrossEntropyLoss', head='LinearClsHead')
        methods, _ = load_methods([str(one), str(two)])
        assert [method.name for method in methods] == [str(one), str(two)]

    def test_load_methods__numbered_folders__named_after_their_parent(self, tmp_path):
        folders = [fake_work_dir(tmp_path / 'rcl' / str(seed), seed=seed) for seed in range(2)]
        (method,), _ = load_methods([str(folder) for folder in folders])
        assert method.name == 'rcl'

    def test_load_methods__other_test_set__refused_in_one_sentence(self, tmp_path):
        one = fake_work_dir(tmp_path / 'a')
        two = fake_work_dir(tmp_path / 'b', num_samples=500, loss='L')
        with pytest.raises(ResultsError, match='different data') as error:
            load_methods([str(one), str(two)])
        assert '600 images of 12 classes' in str(error.value) and '500 images' in str(error.value)

    def test_load_methods__other_training_counts__said(self, tmp_path):
        one = fake_work_dir(tmp_path / 'a')
        two = fake_work_dir(tmp_path / 'b', loss='L', train_counts=np.full(12, 50))
        _, notes = load_methods([str(one), str(two)])
        assert len(notes) == 1 and 'trained on other class counts' in notes[0]

    def test_load_methods__unknown_counts__said(self, tmp_path):
        one = fake_work_dir(tmp_path / 'a', train_counts=None)
        _, notes = load_methods([str(one)])
        assert len(notes) == 1 and 'class counts' in notes[0]


class TestMethod:
    def test_metrics__one_value_per_seed__as_the_metric(self, tmp_path):
        specs = [str(fake_work_dir(tmp_path / f'run{seed}', seed=seed)) for seed in range(3)]
        (method,), _ = load_methods(specs)
        metrics = method.metrics()
        assert len(metrics['few']) == 3 and len(set(metrics['ece'])) == 3
        one = method.results[1]
        expected = LongTailMetric.calculate(
            one.predicted, one.target, one.train_counts, confidence=one.confidence
        )
        assert {name: values[1] for name, values in metrics.items()} == pytest.approx(expected)


class TestConfidenceInterval:
    def test_confidence_interval__three_seeds__t_interval(self):
        # Mean 2, standard deviation 1, t(0.975, 2) = 4.3027.
        assert confidence_interval(np.array([1.0, 2.0, 3.0])) == pytest.approx(
            4.302653 / 3**0.5, rel=1e-5
        )

    def test_confidence_interval__one_seed__none(self):
        assert confidence_interval(np.array([1.0])) is None


class TestConfigDifferences:
    def test_config_differences__only_what_differs(self):
        first = {'model': {'head': {'type': 'A', 'dim': 3}}, 'lr': 0.1, 'views': [{'p': 1}, {}]}
        second = {'model': {'head': {'type': 'B'}}, 'lr': 0.1, 'views': [{'p': 2}, {}]}
        assert config_differences([first, second]) == [
            ('model.head.type', ['"A"', '"B"']),
            ('model.head.dim', ['3', '–']),
            ('views.0.p', ['1', '2']),
        ]

    def test_flatten__plain_lists_stay_together(self):
        assert flatten({'mean': [1, 2], 'empty': {}}) == {'mean': '[1, 2]', 'empty': '{}'}
