"""DigitsLT: real digits, a fixed split, a long tail."""

import zlib

import numpy as np
import pytest
from mmengine.registry import DATASETS
from sklearn.datasets import load_digits

from rcl_mm.augment.draws import DrawIndex
from rcl_mm.datasets import DigitsLT


def parts():
    target = load_digits().target
    return {s: DigitsLT.split_indices(target, s) for s in ('train', 'val', 'test', 'trainval')}


def test_splits__disjoint_balanced_and_complete():
    target, split = load_digits().target, parts()
    assert np.bincount(target[split['test']]).tolist() == [50] * 10
    assert np.bincount(target[split['val']]).tolist() == [20] * 10
    everything = np.concatenate([split['train'], split['val'], split['test']])
    assert sorted(everything) == list(range(1797))
    assert set(split['trainval']) == set(split['train']) | set(split['val'])


@pytest.mark.parametrize(
    'split,checksum', [('train', 1474590831), ('val', 1989198210), ('test', 1170308557)]
)
def test_splits__are_fixed(split, checksum):
    # A changed split would make results of earlier versions incomparable.
    assert zlib.crc32(parts()[split].astype('<i8').tobytes()) == checksum


def test_images__are_the_digits():
    dataset = DigitsLT(split='test')
    digits, indices = load_digits(), parts()['test']
    for i in (0, 250, 499):
        info = dataset.get_data_info(i)
        img = info['img']
        assert img.shape == (32, 32, 3) and img.dtype == np.uint8
        assert (img[..., 0] == img[..., 1]).all() and (img[..., 0] == img[..., 2]).all()
        assert info['gt_label'] == digits.target[indices[i]]
        # Averaged back to 8x8 it is the original, up to the smoothing of the enlargement.
        small = img[..., 0].reshape(8, 4, 8, 4).mean((1, 3))
        original = digits.images[indices[i]] * 255 / 16
        assert np.corrcoef(small.ravel(), original.ravel())[0, 1] > 0.97


@pytest.mark.parametrize(
    'kwargs,counts',
    [
        (dict(imbalance_factor=50), [104, 67, 43, 28, 18, 11, 7, 4, 3, 2]),
        (dict(split='trainval', imbalance_factor=50), [124, 80, 51, 33, 21, 14, 9, 5, 3, 2]),
        (dict(imbalance_factor=10, imbalance_type='step'), [104] * 5 + [10] * 5),
        (dict(imbalance_factor=10, img_max=20), [20, 15, 11, 9, 7, 5, 4, 3, 2, 2]),
        (dict(), [104] * 10),
    ],
)
def test_class_counts(kwargs, counts):
    dataset = DigitsLT(**kwargs)
    assert dataset.class_counts.tolist() == counts == dataset.metainfo['class_counts']
    assert len(dataset) == sum(counts) == len(dataset.get_gt_labels())
    assert dataset.metainfo['classes'] == tuple('0123456789')


def test_long_tail__leaves_test_alone():
    # Counts of a held-out split must never be taken for those of the training set.
    assert 'class_counts' not in DigitsLT(split='test').metainfo
    train, test = (DigitsLT(split=s) for s in ('trainval', 'test'))
    held_out = {test.get_data_info(i)['img'].tobytes() for i in range(len(test))}
    seen = {train.get_data_info(i)['img'].tobytes() for i in range(len(train))}
    assert not held_out & seen


def test_seed__changes_the_selection_only():
    a, b = (DigitsLT(imbalance_factor=50, seed=seed) for seed in (0, 1))
    assert (a.class_counts == b.class_counts).all()
    images = [{d.get_data_info(i)['img'].tobytes() for i in range(len(d))} for d in (a, b)]
    assert images[0] != images[1]


def test_builds_by_name_and_keeps_the_draw():
    dataset = DATASETS.build(dict(type='DigitsLT', imbalance_factor=50, pipeline=[]))
    assert dataset[DrawIndex(3, 8)]['sample_idx'].draw == 8


@pytest.mark.parametrize(
    'kwargs,message',
    [
        (dict(split='valid'), 'allowed are train, val, test, trainval'),
        (dict(split='test', imbalance_factor=50), 'held out and balanced'),
        (dict(img_max=105), 'allowed is at most 104'),
        (dict(imbalance_factor=200), 'leaves class'),
    ],
)
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        DigitsLT(**kwargs)
