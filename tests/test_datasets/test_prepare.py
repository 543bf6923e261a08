"""prepare_data: what is missing or wrong is said, and nothing half-right is written."""

import importlib.util
import json
from pathlib import Path

import pytest

from rcl_mm.class_counts import read_class_counts
from rcl_mm.datasets import CIFARLT, ImageNetLT, INaturalist2018, LongTailedDataset
from rcl_mm.datasets.prepare import prepare_data

TOOL = Path(__file__).parents[2] / 'tools' / 'prepare_data.py'
LABELS = dict(train=[0, 0, 0, 1, 2, 2], val=[0, 1, 2], test=[2, 1, 0])


@pytest.fixture
def imagenet(tmp_path, monkeypatch, write_image):
    """A whole ImageNet-LT of three classes."""
    monkeypatch.setattr(ImageNetLT, 'NUM_CLASSES', 3)
    monkeypatch.setattr(ImageNetLT, 'TOTALS', {s: len(v) for s, v in LABELS.items()})
    monkeypatch.setattr(ImageNetLT, 'SHOTS', (0, 0, 3))
    for split, labels in LABELS.items():
        lines = []
        for i, label in enumerate(labels):
            name = f'{split}/n{label}/{i}.JPEG'
            write_image(tmp_path / name.replace('.JPEG', '.jpg'))
            (tmp_path / name.replace('.JPEG', '.jpg')).rename(tmp_path / name)
            lines.append(f'{name} {label}\n')
        (tmp_path / f'ImageNet_LT_{split}.txt').write_text(''.join(lines))
    return tmp_path


def edit_list(root, split, edit):
    path = root / f'ImageNet_LT_{split}.txt'
    path.write_text(edit(path.read_text()))


class TestLists:
    def test_all_is_well(self, imagenet):
        report = prepare_data('imagenet_lt', imagenet)
        assert report.ok and report.counts_file == imagenet / 'imagenet_lt_class_counts.json'
        assert read_class_counts(report.counts_file).tolist() == [3, 1, 2]
        assert json.loads(report.counts_file.read_text())['splits'] == dict(train=6, val=3, test=3)

    @pytest.mark.parametrize(
        'edit,kind,message',
        [
            (lambda t: t.replace('1.JPEG 0', '1.JPEG 3'), 'bad lines', 'line 2: label 3'),
            (lambda t: t.replace('1.JPEG', '0.JPEG'), 'bad lines', 'there already, in line 1'),
            (lambda t: t.replace('train/n0/1', '../n0/1'), 'bad lines', 'leaves the data root'),
            (lambda t: t.replace('1.JPEG 0', '1.JPEG'), 'bad lines', 'is not "relative/path'),
            (lambda t: t.replace('n0/1', 'n0/9'), 'files that do not exist', 'n0/9.JPEG'),
            (lambda t: t + 'val/n0/0.JPEG 0\n', 'wrong numbers of images', 'has 7 images, the'),
            (lambda t: t + 'val/n0/0.JPEG 0\n', 'images in two splits', 'in train and in val'),
            (lambda t: t + './val/n0/0.JPEG 0\n', 'images in two splits', 'e.g. val/n0/0.JPEG'),
            (lambda t: t + 'val//n0/0.JPEG 0\n', 'images in two splits', 'in train and in val'),
            (lambda t: t.replace('JPEG 1', 'JPEG 0'), 'classes without an image', 'labels 1'),
            (lambda t: t.replace('\n', '\n\0', 1), 'bad lines', 'line 2'),
        ],
    )
    def test_wrong_list(self, imagenet, edit, kind, message):
        edit_list(imagenet, 'train', edit)
        report = prepare_data('imagenet_lt', imagenet)
        assert not report.ok and any(message in line for line in report.problems[kind])
        assert not list(imagenet.glob('*.json*'))

    def test_other_tail(self, imagenet, monkeypatch):
        monkeypatch.setattr(ImageNetLT, 'SHOTS', (1, 0, 2))
        report = prepare_data('imagenet_lt', imagenet)
        assert '(0, 0, 3) many/medium/few' in report.problems['wrong numbers of images'][0]

    @pytest.mark.parametrize(
        'damage',
        [
            lambda path: path.write_bytes(b''),
            lambda path: path.write_bytes(path.read_bytes()[:-100]),
            lambda path: path.write_bytes(b'<html>not found</html>'),
        ],
        ids=['empty', 'cut_short', 'a_web_page'],
    )
    def test_damaged_images(self, imagenet, damage):
        path = imagenet / 'train/n0/1.JPEG'
        damage(path)
        report = prepare_data('imagenet_lt', imagenet)
        assert list(report.problems) == ['images that can not be read']
        assert report.num_problems == 1
        assert report.problems['images that can not be read'][0].startswith(f'{path}: ')

    def test_fast_does_not_decode(self, imagenet):
        (imagenet / 'train/n0/1.JPEG').write_bytes(b'<html>not found</html>')
        assert prepare_data('imagenet_lt', imagenet, fast=True).ok

    def test_problems_are_in_the_order_of_the_list(self, imagenet):
        names = [f'train/n0/{i}.JPEG' for i in range(1000, 2000)]
        edit_list(imagenet, 'train', lambda t: ''.join(f'{n} 0\n' for n in names))
        report = prepare_data('imagenet_lt', imagenet, workers=3)
        missing = report.problems['files that do not exist']
        assert missing == [str(imagenet / n) for n in names]

    def test_nothing_there(self, tmp_path):
        report = prepare_data('places_lt', tmp_path / 'nowhere')
        assert len(report.problems['lists that are missing']) == 3
        assert f'{tmp_path}/nowhere/train/airfield' in report.how_to_get

    def test_inaturalist_lists_from_json(self, tmp_path, monkeypatch, write_image):
        monkeypatch.setattr(INaturalist2018, 'NUM_CLASSES', 2)
        monkeypatch.setattr(INaturalist2018, 'TOTALS', dict(train=2, val=2))
        for split in ('train', 'val'):
            names = [f'train_val2018/Aves/{c}/{split}.jpg' for c in (0, 1)]
            for name in names:
                write_image(tmp_path / name)
            data = dict(
                images=[dict(id=10 + c, file_name=name) for c, name in enumerate(names)],
                annotations=[dict(image_id=10 + c, category_id=c) for c in (1, 0)],
            )
            (tmp_path / f'{split}2018.json').write_text(json.dumps(data))
        assert not prepare_data('inaturalist2018', tmp_path).ok
        assert prepare_data('inaturalist2018', tmp_path, make_lists=True).ok
        lines = (tmp_path / 'iNaturalist18_train.txt').read_text().splitlines()
        assert lines[0] == 'train_val2018/Aves/1/train.jpg 1'

    def test_inaturalist_json_of_something_else(self, tmp_path):
        (tmp_path / 'train2018.json').write_text('{"images": []}')
        report = prepare_data('inaturalist2018', tmp_path, make_lists=True)
        assert 'annotation files that can not be read' in report.problems
        assert not list(tmp_path.glob('*.txt*'))


class TestCifar:
    def test_all_is_well(self, cifar_archive, monkeypatch):
        cls, root, labels, _ = cifar_archive
        classes = len(cls.METAINFO['classes'])
        monkeypatch.setattr(CIFARLT, 'TOTALS', dict(train=len(labels), test=classes))
        report = prepare_data(cls.__name__.lower(), root)
        assert report.ok and report.class_counts.tolist() == [20] * classes
        counts = prepare_data(cls.__name__.lower(), root, imbalance_factor=10).class_counts
        dataset = LongTailedDataset(
            dict(type=cls.__name__, data_root=str(root), download=False), imbalance_factor=10
        )
        assert counts.tolist() == dataset.class_counts.tolist()

    def test_damaged_and_missing_files(self, cifar_archive):
        cls, root, _, _ = cifar_archive
        folder = root / cls.base_folder
        (folder / cls.train_list[0][0]).write_bytes(b'damaged')
        (folder / cls.test_list[0][0]).unlink()
        report = prepare_data(cls.__name__.lower(), root)
        assert [len(v) for v in report.problems.values()] == [1, 1]
        assert set(report.problems) == {'files with a wrong checksum', 'files that do not exist'}
        assert cls.url in report.how_to_get

    def test_wrong_number(self, cifar_archive):
        cls, root, _, _ = cifar_archive
        report = prepare_data(cls.__name__.lower(), root)
        assert 'published are 50,000' in report.problems['wrong numbers of images'][0]

    def test_not_unpacked(self, tmp_path):
        (tmp_path / 'cifar-10-python.tar.gz').write_bytes(b'')
        report = prepare_data('cifar10', tmp_path)
        assert any('not unpacked' in note for note in report.notes)


@pytest.mark.parametrize(
    'name,kwargs,message',
    [
        ('imagenet', {}, 'allowed are cifar10, cifar100, imagenet_lt'),
        ('places_lt', dict(make_lists=True), 'for inaturalist2018 only'),
        ('places_lt', dict(imbalance_factor=10), 'long-tailed itself'),
        ('cifar10', dict(imbalance_factor=0.1), 'allowed is 1 or more'),
        ('cifar10', dict(output='/no/such/folder/counts.json'), 'can not be written'),
    ],
)
def test_wrong_usage(tmp_path, name, kwargs, message):
    with pytest.raises(ValueError, match=message):
        prepare_data(name, tmp_path, **kwargs)


class TestTool:
    @pytest.fixture
    def run(self, monkeypatch, capsys):
        spec = importlib.util.spec_from_file_location('prepare_data_tool', TOOL)
        tool = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tool)

        def _run(*args):
            monkeypatch.setattr('sys.argv', ['prepare_data.py', *map(str, args)])
            try:
                code = tool.main()
            except SystemExit as exit_:
                code = exit_.code
            captured = capsys.readouterr()
            return code, captured.out, captured.err

        return _run

    def test_ready(self, run, imagenet, tmp_path):
        code, out, _ = run('imagenet_lt', imagenet, '-o', tmp_path / 'counts.json')
        assert code == 0 and 'imagenet_lt is ready' in out
        assert read_class_counts(tmp_path / 'counts.json').tolist() == [3, 1, 2]

    def test_not_ready(self, run, imagenet):
        for path in (imagenet / 'train' / 'n0').iterdir():
            path.unlink()
        code, out, _ = run('imagenet_lt', imagenet, '--max-shown', 1)
        assert code == 1 and 'files that do not exist: 3' in out and '... and 2 more' in out
        assert 'How to get imagenet_lt' in out and 'is not ready' in out
        assert not list(imagenet.glob('*.json'))

    @pytest.mark.parametrize(
        'args', [('imagenet', '.'), ('places_lt', '.', '--make-lists'), ('cifar10',)]
    )
    def test_wrong_usage(self, run, args):
        code, out, err = run(*args)
        assert code == 2 and out == '' and 'prepare_data' in err and 'Traceback' not in err

    def test_counts_that_can_not_be_written(self, run, imagenet):
        target = '/proc/counts.json'  # a folder in which nobody can make a file
        code, _, err = run('imagenet_lt', imagenet, '-o', target)
        assert code == 2
        assert err == f'prepare_data: {target}: can not be written (No such file or directory)\n'

    def test_markup_in_names_is_printed_as_it_is(self, run, tmp_path):
        for name in ('[red]cat', 'dog'):
            (tmp_path / 'train' / name).mkdir(parents=True)
        _, out, _ = run('folder', tmp_path)
        assert '[red]cat' in out
