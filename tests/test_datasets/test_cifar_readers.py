"""CIFAR-10/100-LT from archives in the original pickle format, through MMPretrain's readers."""

import hashlib
import pickle

import numpy as np
import pytest
from mmpretrain.datasets import CIFAR10, CIFAR100

from rcl_mm.class_counts import dataset_class_counts
from rcl_mm.datasets import LongTailedDataset, long_tailed_counts, select_long_tailed


def write_batch(path, labels, key, seed):
    """One file as Krizhevsky's: 'data' (N, 3072) uint8 in channel order R, G, B, and the labels."""
    data = np.random.RandomState(seed).randint(0, 256, (len(labels), 3072), dtype=np.uint8)
    path.write_bytes(pickle.dumps({'data': data, key: list(labels)}, protocol=2))
    return data, hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture(params=['cifar10', 'cifar100'])
def archive(request, tmp_path, monkeypatch):
    """A tiny archive whose checksums stand in for the published ones, so that MMPretrain's
    integrity check runs on it as on the real files."""
    cls, num_classes, per_class, key = (
        (CIFAR10, 10, 40, 'labels')
        if request.param == 'cifar10'
        else (CIFAR100, 100, 40, 'fine_labels')
    )
    folder = tmp_path / cls.base_folder
    folder.mkdir()
    labels = np.random.RandomState(1).permutation(np.repeat(np.arange(num_classes), per_class))
    train_list, images = [], []
    parts = np.array_split(labels, len(cls.train_list))
    for number, ((name, _), part) in enumerate(zip(cls.train_list, parts)):
        data, md5 = write_batch(folder / name, part.tolist(), key, number)
        train_list.append([name, md5])
        images.append(data)
    test_name = cls.test_list[0][0]
    _, md5 = write_batch(folder / test_name, list(range(num_classes)), key, 99)
    monkeypatch.setattr(cls, 'train_list', train_list)
    monkeypatch.setattr(cls, 'test_list', [[test_name, md5]])
    return cls, tmp_path, labels, np.concatenate(images)


@pytest.mark.parametrize('imbalance_type', ['exp', 'step'])
@pytest.mark.parametrize('factor', [10, 20])
def test_long_tailed(archive, imbalance_type, factor):
    cls, root, labels, images = archive
    num_classes = len(cls.METAINFO['classes'])
    dataset = LongTailedDataset(
        dict(type=cls.__name__, data_root=str(root), split='train', download=False, pipeline=[]),
        imbalance_type=imbalance_type,
        imbalance_factor=factor,
    )
    counts = long_tailed_counts(num_classes, 40, factor, imbalance_type)
    assert dataset.class_counts.tolist() == counts.tolist()
    assert dataset.metainfo['classes'] == cls.METAINFO['classes']
    assert dataset_class_counts(dataset).tolist() == counts.tolist()
    chosen = select_long_tailed(labels, counts)
    for i in (0, len(dataset) // 2, len(dataset) - 1):
        sample = dataset[i]
        expected = images[chosen[i]].reshape(3, 32, 32).transpose(1, 2, 0)
        np.testing.assert_array_equal(sample['img'], expected)
        assert sample['gt_label'] == labels[chosen[i]]


def test_test_split_is_whole(archive):
    cls, root, _, _ = archive
    dataset = cls(data_root=str(root), split='test', download=False)
    assert dataset.get_gt_labels().tolist() == list(range(len(cls.METAINFO['classes'])))


def test_damaged_file_is_refused(archive):
    cls, root, _, _ = archive
    name = cls.train_list[0][0]
    path = root / cls.base_folder / name
    path.write_bytes(path.read_bytes()[:-1] + b'x')
    with pytest.raises(RuntimeError, match='Cannot find'):
        LongTailedDataset(dict(type=cls.__name__, data_root=str(root), download=False))
