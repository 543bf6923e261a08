"""The validation set beside a long-tailed training set."""

import numpy as np
import pytest

from rcl_mm.datasets import LongTailedDataset
from rcl_mm.datasets.long_tailed import select_held_out, select_long_tailed


class _Labelled:
    metainfo = dict(classes=('a', 'b', 'c'))

    def __init__(self, labels):
        self.labels = np.asarray(labels)

    def get_gt_labels(self):
        return self.labels

    def get_data_info(self, index):
        return dict(sample_idx=index, gt_label=int(self.labels[index]))

    def __len__(self):
        return len(self.labels)


LABELS = np.random.RandomState(3).permutation(np.repeat([0, 1, 2], 40))
SETTINGS = dict(imbalance_factor=10, img_max=30)


def test_balanced_and_disjoint_from_training():
    train = LongTailedDataset(_Labelled(LABELS), **SETTINGS)
    val = LongTailedDataset(_Labelled(LABELS), **SETTINGS, held_out=10)
    assert train.class_counts.tolist() == [30, 9, 3] and val.class_counts.tolist() == [10, 10, 10]
    assert not set(train.indices) & set(val.indices)
    assert [LABELS[i] for i in val.indices] == val.get_gt_labels().tolist()
    assert 'class_counts' in train.metainfo and 'class_counts' not in val.metainfo


def test_the_training_set_is_the_same_with_and_without_it():
    counts = [30, 9, 3]
    kept = select_long_tailed(LABELS, counts, 0)
    held_out = select_held_out(LABELS, counts, 10, 0)
    rest = np.setdiff1d(np.arange(len(LABELS)), kept)
    assert set(held_out) <= set(rest)


def test_too_few_images_left():
    with pytest.raises(ValueError, match='held_out=11 .* class 0 has 10'):
        LongTailedDataset(_Labelled(LABELS), **SETTINGS, held_out=11)
