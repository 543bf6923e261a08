"""CIFAR-10/100-LT from archives in the original pickle format, through MMPretrain's readers."""

import numpy as np
import pytest

from rcl_mm.class_counts import dataset_class_counts
from rcl_mm.datasets import LongTailedDataset, long_tailed_counts, select_long_tailed


@pytest.mark.parametrize('imbalance_type', ['exp', 'step'])
@pytest.mark.parametrize('factor', [10, 20])
def test_long_tailed(cifar_archive, imbalance_type, factor):
    cls, root, labels, images = cifar_archive
    num_classes = len(cls.METAINFO['classes'])
    dataset = LongTailedDataset(
        dict(type=cls.__name__, data_root=str(root), split='train', download=False, pipeline=[]),
        imbalance_type=imbalance_type,
        imbalance_factor=factor,
    )
    counts = long_tailed_counts(num_classes, 20, factor, imbalance_type)
    assert dataset.class_counts.tolist() == counts.tolist()
    assert dataset.metainfo['classes'] == cls.METAINFO['classes']
    assert dataset_class_counts(dataset).tolist() == counts.tolist()
    chosen = select_long_tailed(labels, counts)
    for i in (0, len(dataset) // 2, len(dataset) - 1):
        sample = dataset[i]
        expected = images[chosen[i]].reshape(3, 32, 32).transpose(1, 2, 0)
        np.testing.assert_array_equal(sample['img'], expected)
        assert sample['gt_label'] == labels[chosen[i]]


def test_test_split_is_whole(cifar_archive):
    cls, root, _, _ = cifar_archive
    dataset = cls(data_root=str(root), split='test', download=False)
    assert dataset.get_gt_labels().tolist() == list(range(len(cls.METAINFO['classes'])))


def test_damaged_file_is_refused(cifar_archive):
    cls, root, _, _ = cifar_archive
    name = cls.train_list[0][0]
    path = root / cls.base_folder / name
    path.write_bytes(path.read_bytes()[:-1] + b'x')
    with pytest.raises(RuntimeError, match='Cannot find'):
        LongTailedDataset(dict(type=cls.__name__, data_root=str(root), download=False))
