"""Looking at the data before training: figures against their definitions, warnings, bad input."""

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS

from rcl_mm.class_counts import gini
from rcl_mm.report.data_summary import (
    frequency_panel,
    inspect_config,
    summary_text,
    write_summary,
)

REPOSITORY = Path(__file__).resolve().parents[2]
DIGITS = REPOSITORY / 'configs/rcl/resnet8_digits_lt.py'


@pytest.fixture(scope='module')
def inspect_tool():
    path = REPOSITORY / 'tools/inspect_data.py'
    spec = importlib.util.spec_from_file_location('inspect_tool', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@DATASETS.register_module()
class LabelledForInspection:
    """A data set of labels alone; None is a sample without a label."""

    def __init__(self, labels, classes=None):
        self.labels = labels
        self.metainfo = {'classes': classes} if classes else {}

    def __len__(self):
        return len(self.labels)

    def get_data_info(self, index):
        label = self.labels[index]
        return {} if label is None else {'gt_label': label}

    def get_gt_labels(self):
        return np.array([self.get_data_info(index)['gt_label'] for index in range(len(self))])


def config(train, test=None, classes='abcd', **settings):
    def dataset(labels):
        return dict(
            dataset=dict(type='LabelledForInspection', labels=labels, classes=list(classes))
        )

    return Config(
        dict(
            train_dataloader=dataset(train),
            **(dict(test_dataloader=dataset(test)) if test is not None else {}),
            **settings,
        )
    )


class TestGini:
    @pytest.mark.parametrize(
        ('counts', 'expected'), [([5, 5, 5], 0), ([0, 0, 0, 8], 0.75), ([1, 3], 0.25)]
    )
    def test_gini__known_cases(self, counts, expected):
        assert gini(np.array(counts)) == pytest.approx(expected)

    def test_gini__equals_the_mean_difference(self):
        counts = np.random.default_rng(0).integers(0, 900, 50)
        difference = np.mean([abs(a - b) for a in counts for b in counts])
        assert gini(counts) == pytest.approx(difference / 2 / counts.mean())


class TestInspectConfig:
    def test_inspect_config__digits__counts_of_all_splits(self):
        summary = inspect_config(DIGITS)
        assert summary.counts.tolist() == [104, 67, 43, 28, 18, 11, 7, 4, 3, 2]
        assert summary.imbalance_factor == 52.0 and summary.warnings == []
        assert {name: len(members) for name, members in summary.groups.items()} == {
            'many': 1,
            'medium': 3,
            'few': 6,
        }
        assert summary.held_out['val'].tolist() == [20] * 10
        assert summary.held_out['test'].tolist() == [50] * 10

    def test_inspect_config__healthy__no_warnings(self):
        assert inspect_config(config([0, 0, 1, 1, 2, 2, 3, 3], [0, 1, 2, 3])).warnings == []

    @pytest.mark.parametrize(
        ('train', 'test', 'settings', 'expected'),
        [
            ([0, 0, 1, 1, 3, 3], [0, 1, 3], {}, '1 class of 4 without a training image: c.'),
            ([0, 0, 1, 1, 2, 3, 3], [0, 1, 2, 3], {}, '1 class with a single training image'),
            ([0, 0, 1, 1, 2, 2, 3, 3], [0, 1], {}, '2 classes without test images, so without'),
            ([0, 0, 1, 1, 2, 2, 3, None, 3], [0, 1, 2, 3], {}, '1 of 9 training images have no'),
            ([0, 0, 1, 1, 2, 2, 3, 3, 7], [0, 1, 2, 3], {}, '1 training images have labels outsi'),
            ([0, 0, 1, 1, 2, 2, 3, 3], [0, 1, 2, 3, 5], {}, '1 test images have labels of 4 or m'),
            ([0, 0, 1, 1, 2, 2, 3, 3], [None], {}, 'The test set has no labels'),
            ([0, 0, 1, 1, 2, 2, 3, 3], [], {}, 'The test set is empty'),
            (
                [0, 0, 1, 1, 2, 2, 3, 3],
                [0, 1, 2, 3],
                {'model': {'head': {'num_classes': 10}}},
                'model.head.num_classes is 10, but the training set has 4 classes',
            ),
        ],
    )
    def test_inspect_config__signs_of_trouble__named(self, train, test, settings, expected):
        warnings = inspect_config(config(train, test, **settings)).warnings
        assert any(expected in warning for warning in warnings), warnings

    def test_inspect_config__test_set_that_can_not_be_built__named(self, tmp_path):
        broken = config([0, 1, 2, 3] * 2)
        broken.test_dataloader = dict(
            dataset=dict(type='CustomDataset', data_root=str(tmp_path / 'gone'))
        )
        assert any('test set can not be' in w for w in inspect_config(broken).warnings)

    def test_inspect_config__repeated_images__are_counted_once(self):
        """RepeatDataset of MMEngine wants a data set of its own kind."""
        digits = dict(type='DigitsLT', split='train', imbalance_factor=8, img_max=40, pipeline=[])
        repeated = dict(type='RepeatDataset', times=5, dataset=digits)
        plain, summary = (
            inspect_config(Config(dict(train_dataloader=dict(dataset=one))))
            for one in (digits, repeated)
        )
        np.testing.assert_array_equal(summary.counts, plain.counts)
        assert {k: len(v) for k, v in summary.groups.items()} == {
            k: len(v) for k, v in plain.groups.items()
        }
        np.testing.assert_array_equal(summary.drawn, 5 * plain.counts)
        assert 'an epoch draws 855 images, some several times' in summary_text(summary)
        assert plain.drawn is None and 'an epoch draws' not in summary_text(plain)

    def test_inspect_config__thresholds_of_the_metric(self):
        summary = inspect_config(
            config(
                [0] * 9 + [1] * 5 + [2, 3], val_evaluator=dict(type='LongTailMetric', many=8, few=2)
            )
        )
        assert [len(members) for members in summary.groups.values()] == [1, 1, 2]

    def test_inspect_config__no_class_names__labels_and_head_tell(self):
        summary = inspect_config(
            config([0, 1, 1], classes='', model=dict(head=dict(num_classes=4)))
        )
        assert summary.counts.tolist() == [1, 2, 0, 0]

    def test_inspect_config__no_labels_at_all__error(self):
        with pytest.raises(ValueError, match='no labels'):
            inspect_config(config([None, None]))

    def test_inspect_config__no_training_set__error(self):
        with pytest.raises(ValueError, match='has no train_dataloader'):
            inspect_config(Config(dict(model=dict())))


class TestOutput:
    def test_write_summary__table_and_picture(self, tmp_path):
        summary = inspect_config(config([0] * 150 + [1] * 30 + [2], [0, 1, 2]))
        picture, table = write_summary(summary, tmp_path / 'new')
        with table.open() as file:
            rows = list(csv.DictReader(file))
        assert [row['group'] for row in rows] == ['many', 'medium', 'few', 'none']
        assert [row['train'] for row in rows] == ['150', '30', '1', '0']
        assert picture.read_bytes().startswith(b'\x89PNG')

    def test_frequency_panel__thousands_of_classes(self):
        summary = inspect_config(config([0, 1, 2, 3]))
        summary.counts = np.sort(np.random.default_rng(0).integers(1, 1000, 8142))
        assert frequency_panel(summary).png.startswith(b'\x89PNG')

    def test_summary_text__many_classes__ends_only(self):
        summary = inspect_config(config([0, 1, 2, 3] * 3))
        summary.counts = np.arange(1, 201)
        summary.classes = [f'name{index}' for index in range(200)]
        text = summary_text(summary)
        assert 'name199' in text and 'name0' in text and 'name100' not in text
        assert 'imbalance factor 200.0' in text and 'Gini' in text and 'many' in text


class TestTool:
    def test_main__digits__table_and_files(self, tmp_path, inspect_tool, capsys):
        options = ['train_dataloader.dataset.imbalance_factor=10']
        code = inspect_tool([str(DIGITS), '-o', str(tmp_path), '--cfg-options', *options])
        out = capsys.readouterr().out
        assert code == 0 and 'no warnings' in out
        assert (tmp_path / 'class_counts.csv').is_file()

    @pytest.mark.parametrize(
        ('option', 'counts'), [('imbalance_factor=10', '10'), ('imbalance_type=step', '2')]
    )
    def test_main__shared_options__go_to_the_data_sets(
        self, tmp_path, inspect_tool, capsys, option, counts
    ):
        arguments = [str(DIGITS), '-o', str(tmp_path), '--cfg-options', option]
        assert inspect_tool([*arguments, 'modle.x=1']) == 0
        with (tmp_path / 'class_counts.csv').open() as file:
            train = [row['train'] for row in csv.DictReader(file)]
        before = inspect_config(DIGITS).counts.tolist()
        assert train != list(map(str, before)) and train[-1] == counts
        assert 'the config has no "modle", did you mean "model"?' in capsys.readouterr().err

    def test_main__folder_of_ones_own(self, tmp_path, inspect_tool, capsys):
        for name, number in dict(ant=10, bee=5).items():
            (tmp_path / 'images' / name).mkdir(parents=True)
            for index in range(number):
                (tmp_path / 'images' / name / f'{index}.jpg').touch()
        config = REPOSITORY / 'configs/rcl/timm_resnet50_folder_lt.py'
        options = ['--cfg-options', f'data_root={tmp_path}/images']
        assert inspect_tool([str(config), '-o', str(tmp_path / 'out'), *options]) == 0
        assert '12 training images of 2 classes' in capsys.readouterr().out

    def test_main__out_that_can_not_be_made(self, tmp_path, inspect_tool, capsys):
        (tmp_path / 'file').touch()
        out = tmp_path / 'file/out'
        assert inspect_tool([str(DIGITS), '-o', str(out)]) == 1
        assert capsys.readouterr().err == f'error: {out}: can not be made (Not a directory)\n'

    def test_main__no_such_config__one_line(self, inspect_tool, capsys):
        assert inspect_tool(['configs/nowhere.py']) == 2
        captured = capsys.readouterr()
        assert captured.out == '' and 'does not exist' in captured.err
        assert len(captured.err.strip().splitlines()) == 1
