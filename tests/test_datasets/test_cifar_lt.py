"""CIFAR-LT from whatever is there: the original files, folders of all images or of a tail."""

import shutil

import numpy as np
import pytest

from rcl_mm.class_counts import dataset_class_counts
from rcl_mm.datasets import CIFARLT, LongTailedDataset, long_tailed_counts
from rcl_mm.datasets.prepare import prepare_data
from rcl_mm.datasets.resident import ResidentDataset

EACH, TEST_EACH, FACTOR = 8, 2, 4


@pytest.fixture(autouse=True)
def small_totals(monkeypatch):
    monkeypatch.setattr(CIFARLT, 'TOTALS', dict(train=10 * EACH, test=10 * TEST_EACH))


@pytest.fixture
def whole(tmp_path, cifar_folders):
    """All images in {train,test}/<class>/."""
    return cifar_folders(tmp_path / 'whole', 10, [EACH] * 10, TEST_EACH)


@pytest.fixture
def tail(tmp_path, cifar_folders):
    """Training images that are long-tailed already."""
    counts = long_tailed_counts(10, EACH, FACTOR)
    return cifar_folders(tmp_path / 'tail', 10, counts, TEST_EACH)


def cifar(root, **settings):
    return CIFARLT(str(root), imbalance_factor=FACTOR, **settings)


class TestCIFARLT:
    def test_archive__as_long_tailed_dataset(self, cifar_archive, monkeypatch):
        cls, root, labels, _ = cifar_archive
        classes = len(cls.METAINFO['classes'])
        monkeypatch.setattr(CIFARLT, 'TOTALS', dict(train=len(labels), test=classes))
        own = cifar(root, num_classes=classes)
        plain = LongTailedDataset(
            dict(type=cls.__name__, data_root=str(root), split='train', download=False),
            imbalance_factor=FACTOR,
        )
        assert np.array_equal(own.indices, plain.indices) and own.metainfo == plain.metainfo
        images = ResidentDataset(own).images
        assert np.array_equal(images[3].permute(1, 2, 0), plain.get_data_info(3)['img'])
        assert len(cifar(root, num_classes=classes, split='test')) == classes

    def test_folders__whole_set_is_cut(self, whole):
        own = cifar(whole)
        assert own.class_counts.tolist() == long_tailed_counts(10, EACH, FACTOR).tolist()
        held_out = cifar(whole, img_max=5, held_out=2)
        assert held_out.class_counts.tolist() == [2] * 10

    def test_folders__a_tail_is_taken_as_it_is(self, tail):
        own = cifar(tail)
        counts = long_tailed_counts(10, EACH, FACTOR).tolist()
        assert own.class_counts.tolist() == own.metainfo['class_counts'] == counts
        assert dataset_class_counts(own).tolist() == counts
        assert own.indices.tolist() == list(range(sum(counts)))
        assert own.get_data_info(0)['img_path'].endswith('train/airplane/0.png')

    def test_test_split__whole_and_without_class_counts(self, tail):
        test = cifar(tail, split='test')
        assert len(test) == 10 * TEST_EACH
        assert set(test.metainfo) == {'classes'} and test.metainfo['classes'][9] == 'truck'

    def test_folders__other_separators(self, tmp_path, cifar_folders, monkeypatch):
        root = cifar_folders(tmp_path / 'c', 100, [2] * 100, 1)
        monkeypatch.setattr(CIFARLT, 'TOTALS', dict(train=200, test=100))
        for split in ('train', 'test'):
            (root / split / 'lawn_mower').rename(root / split / 'Lawn-Mower')
        # As text, capital letters come first: the labels would be others.
        with pytest.raises(ValueError, match='has 100 class folders'):
            CIFARLT(str(root), 100)
        for split in ('train', 'test'):
            (root / split / 'Lawn-Mower').rename(root / split / 'lawn-mower')
        assert CIFARLT(str(root), 100, imbalance_factor=1).metainfo['classes'][41] == 'lawn_mower'

    def test_neither_layout__says_both_and_the_command(self, tmp_path):
        with pytest.raises(FileNotFoundError) as error:
            cifar(tmp_path)
        for words in ('cifar-10-batches-py/', 'train/<class>/*.png', 'prepare_data.py cifar10'):
            assert words in str(error.value)
        assert '\n' not in str(error.value)

    def test_wrong_sets__one_line_of_what_is_there_and_what_is_expected(self, tail, whole):
        with pytest.raises(ValueError, match=r'has 40 train images, 8 ... 2.*factor=2\) 54 images'):
            CIFARLT(str(tail), imbalance_factor=2)
        with pytest.raises(ValueError, match='held_out needs the whole set'):
            cifar(tail, img_max=5, held_out=2)
        (whole / 'train/cat/0.png').unlink()
        with pytest.raises(ValueError, match='has 79 train images'):
            cifar(whole)
        (whole / 'test/cat/0.png').unlink()
        with pytest.raises(ValueError, match='has 19 test images'):
            cifar(whole, split='test')
        shutil.rmtree(whole / 'train/dog')
        with pytest.raises(ValueError, match=r"has 9 class folders, without \['dog'\]"):
            cifar(whole)
        with pytest.raises(ValueError, match='allowed are 10 or 100'):
            CIFARLT(str(whole), 20)


class TestPrepareData:
    def test_whole_set_in_folders(self, whole):
        report = prepare_data('cifar10', whole, imbalance_factor=FACTOR)
        assert report.ok and 'the whole set: 8 images of each class' in report.notes[0]
        assert report.class_counts.tolist() == cifar(whole).class_counts.tolist()

    def test_a_tail_in_folders(self, tail):
        report = prepare_data('cifar10', tail)
        assert report.ok and report.class_counts.tolist() == cifar(tail).class_counts.tolist()
        note = report.notes[0]
        for words in ('40 images, 8 ... 2', 'imbalance factor 4', 'Own subset'):
            assert words in note
        with pytest.raises(ValueError, match='long-tailed already'):
            prepare_data('cifar10', tail, imbalance_factor=FACTOR)

    def test_wrong_folders(self, tail):
        (tail / 'train/airplane/0.png').unlink()
        (tail / 'test/cat/0.png').write_bytes(b'no image')
        report = prepare_data('cifar10', tail)
        assert set(report.problems) == {'wrong numbers of images', 'images that can not be read'}
        (tail / 'test/cat').rename(tail / 'test/tiger')
        report = prepare_data('cifar10', tail)
        assert 'tiger' in report.problems['wrong class folders'][0]
        assert not (tail / 'cifar10_class_counts.json').exists()
