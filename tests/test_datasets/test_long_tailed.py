"""LongTailedDataset: the community's selection around any data set."""

import numpy as np
import pytest
from mmengine.dataset import ClassBalancedDataset, ConcatDataset, RepeatDataset
from mmengine.registry import DATASETS
from mmpretrain.datasets import BaseDataset

from rcl_mm.augment.draws import DrawIndex
from rcl_mm.class_counts import dataset_class_counts
from rcl_mm.datasets import DigitsLT, LongTailedDataset, long_tailed_counts, select_long_tailed


class ArrayDataset(BaseDataset):
    """An in-memory data set whose images hold their own index; counts its label readings."""

    def __init__(self, labels, num_classes, **kwargs):
        self.label_array = np.asarray(labels)
        self.readings = 0
        super().__init__(
            ann_file='', metainfo=dict(classes=tuple(map(str, range(num_classes)))), **kwargs
        )

    def load_data_list(self):
        return [
            dict(img=np.full((1, 1, 3), i % 256, np.uint8), gt_label=int(label))
            for i, label in enumerate(self.label_array)
        ]

    def get_gt_labels(self):
        self.readings += 1
        return super().get_gt_labels()


def shuffled_labels(num_classes, per_class, seed=3):
    labels = np.repeat(np.arange(num_classes), per_class)
    return np.random.RandomState(seed).permutation(labels)


class TestCounts:
    @pytest.mark.parametrize(
        'num_classes,img_max,totals',
        [
            (10, 5000, {10: 20431, 50: 13996, 100: 12406, 200: 11203}),
            (100, 500, {10: 19573, 50: 12608, 100: 10847, 200: 9502}),
        ],
    )
    def test_cifar_lt_totals(self, num_classes, img_max, totals):
        for factor, total in totals.items():
            assert long_tailed_counts(num_classes, img_max, factor).sum() == total

    def test_cifar10_lt_100(self):
        expected = [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
        assert long_tailed_counts(10, 5000, 100).tolist() == expected

    def test_step(self):
        counts = long_tailed_counts(10, 5000, 100, 'step')
        assert counts.sum() == 25250 and counts.tolist() == [5000] * 5 + [50] * 5

    def test_balanced(self):
        assert long_tailed_counts(4, 7.9, None).tolist() == [7] * 4

    def test_one_class(self):
        assert long_tailed_counts(1, 5, 100).tolist() == [5]

    @pytest.mark.parametrize('factor', [0.01, 0, -3, float('nan'), float('inf')])
    def test_factor_out_of_range(self, factor):
        with pytest.raises(ValueError, match='where other code says 0.01, give 100'):
            long_tailed_counts(10, 5000, factor)

    def test_class_without_image(self):
        with pytest.raises(ValueError, match='leaves class 8 with none: allowed is at most 50'):
            long_tailed_counts(10, 50, 100)

    def test_unknown_type(self):
        with pytest.raises(ValueError, match="'linear', allowed are exp, step"):
            long_tailed_counts(10, 50, 10, 'linear')


def community_selection(targets, counts, seed):
    """The CIFAR-LT generator of Cao et al. (2019), as RECIPES describes it, with global state."""
    np.random.seed(seed)
    chosen = []
    for label in range(len(counts)):
        indices = np.where(targets == label)[0]
        np.random.shuffle(indices)
        chosen.extend(indices[: counts[label]].tolist())
    return chosen


class TestSelection:
    @pytest.mark.parametrize('num_classes,per_class', [(10, 5000), (100, 500)])
    def test_same_images_as_the_community(self, num_classes, per_class):
        targets = shuffled_labels(num_classes, per_class)
        counts = long_tailed_counts(num_classes, per_class, 100)
        ours = select_long_tailed(targets, counts, seed=0)
        assert ours.tolist() == community_selection(targets, counts, 0)
        np.testing.assert_array_equal(np.bincount(targets[ours]), counts)

    def test_does_not_touch_the_global_state(self):
        np.random.seed(1)
        before = np.random.get_state()[1].copy()
        select_long_tailed([0, 1, 1], [1, 1])
        np.testing.assert_array_equal(before, np.random.get_state()[1])

    def test_seed(self):
        targets = shuffled_labels(10, 50)
        a, b = (select_long_tailed(targets, [10] * 10, seed) for seed in (0, 1))
        assert set(a) != set(b)


class TestWrapper:
    def make(self, **kwargs):
        inner = ArrayDataset(shuffled_labels(10, 100), 10)
        return inner, LongTailedDataset(inner, imbalance_factor=10, **kwargs)

    def test_labels_counts_and_metainfo(self):
        inner, dataset = self.make()
        expected = long_tailed_counts(10, 100, 10)
        np.testing.assert_array_equal(dataset.class_counts, expected)
        assert dataset.class_counts.dtype == np.int64
        assert len(dataset) == expected.sum()
        labels = dataset.get_gt_labels()
        assert labels.dtype == np.int64
        assert labels.tolist() == [dataset[i]['gt_label'] for i in range(len(dataset))]
        assert dataset.metainfo['class_counts'] == expected.tolist()
        assert all(type(n) is int for n in dataset.metainfo['class_counts'])
        assert dataset.metainfo['classes'] == inner.metainfo['classes']
        assert dataset.metainfo['imbalance_factor'] == 10
        assert dataset_class_counts(dataset).tolist() == expected.tolist()

    def test_images_are_those_selected(self):
        inner, dataset = self.make()
        chosen = select_long_tailed(inner.label_array, dataset.class_counts)
        for i in (0, 57, len(dataset) - 1):
            assert dataset[i]['img'][0, 0, 0] == chosen[i] % 256
            assert dataset.get_data_info(i)['sample_idx'] == chosen[i]
            assert dataset.get_cat_ids(i) == [inner.label_array[chosen[i]]]

    def test_keeps_the_draw(self):
        _, dataset = self.make()
        for data in (
            dataset[DrawIndex(5, 77)],
            dataset.get_data_info(DrawIndex(5, 77)),
            dataset.prepare_data(DrawIndex(5, 77)),
        ):
            assert data['sample_idx'].draw == 77 and data['sample_idx'] == dataset.indices[5]

    def test_labels_are_read_once(self):
        inner, dataset = self.make()
        dataset.full_init()
        _ = dataset.class_counts, dataset.get_gt_labels(), dataset.metainfo, len(dataset)
        assert inner.readings == 1

    def test_lazy_init(self):
        inner, dataset = self.make(lazy_init=True)
        assert inner.readings == 0 and 'class_counts' not in dataset.metainfo
        assert dataset.metainfo['imbalance_factor'] == 10
        assert len(dataset) == dataset.class_counts.sum()

    def test_inner_counts_are_never_handed_on(self):
        inner = DigitsLT(split='trainval')
        assert inner.metainfo['class_counts'] == [124] * 10
        lazy = LongTailedDataset(inner, imbalance_factor=10, lazy_init=True)
        assert 'class_counts' not in lazy.metainfo
        lazy.full_init()
        assert lazy.metainfo['class_counts'][-1] == 12
        held_out = LongTailedDataset(inner, imbalance_factor=10, img_max=50, held_out=5)
        assert 'class_counts' not in held_out.metainfo

    def test_lazy_init__reaches_the_inner_config(self):
        dataset = LongTailedDataset(dict(type='DigitsLT'), imbalance_factor=10, lazy_init=True)
        assert not dataset.dataset._fully_initialized
        assert dataset[0]['gt_label'] == 0

    def test_index_out_of_range(self):
        _, dataset = self.make()
        assert dataset[-1]['gt_label'] == 9
        with pytest.raises(IndexError, match=f'data set of {len(dataset)} images'):
            dataset[len(dataset)]

    def test_fewer_images_than_the_profile(self):
        inner = ArrayDataset([0] * 10 + [1] * 3 + [2] * 5, 3)
        dataset = LongTailedDataset(inner, imbalance_factor=None, img_max=5)
        assert dataset.class_counts.tolist() == [5, 3, 5]

    @pytest.mark.parametrize(
        'kwargs', [dict(imbalance_factor=0.5), dict(imbalance_type='x'), dict(img_max=0)]
    )
    def test_bad_arguments_fail_before_the_inner_set_is_built(self, kwargs):
        with pytest.raises(ValueError, match='allowed'):
            LongTailedDataset(dict(type='NoSuchDataset'), **kwargs)

    def test_empty_inner_set(self):
        class Empty:
            def get_gt_labels(self):
                return np.zeros(0, dtype=np.int64)

        with pytest.raises(ValueError, match='inner data set is empty'):
            LongTailedDataset(Empty())

    def test_mmengine_wrappers_around_it(self):
        config = dict(type='LongTailedDataset', imbalance_factor=10, dataset=dict(type='DigitsLT'))
        repeated = RepeatDataset(config, times=2)
        single = DATASETS.build(config)
        assert len(repeated) == 2 * len(single)
        assert repeated[DrawIndex(len(single) + 2, 5)]['sample_idx'].draw == 5
        np.testing.assert_array_equal(dataset_class_counts(repeated), 2 * single.class_counts)
        balanced = ClassBalancedDataset(config, oversample_thr=0.1)
        assert len(balanced) > len(single)

    def test_a_wrapper_that_does_not_say_which_samples_it_has(self):
        inner = DigitsLT(split='val')
        half = type('Half', (), {'dataset': inner, '__len__': lambda _: len(inner) // 2})()
        with pytest.raises(TypeError, match=r'Half has \d+ samples, its inner data set \d+'):
            dataset_class_counts(half)

    def test_it_around_mmengine_wrappers(self):
        parts = [DigitsLT(split='train'), DigitsLT(split='val')]
        inner = ConcatDataset(parts, ignore_keys='class_counts')
        dataset = LongTailedDataset(inner, imbalance_factor=10)
        assert dataset.class_counts[0] == 124
        labels = [dataset[i]['gt_label'] for i in range(len(dataset))]
        assert labels == dataset.get_gt_labels().tolist()
        assert dataset[DrawIndex(3, 5)]['sample_idx'].draw == 5


class TestRefetch:
    """A pipeline that gives None gets another image of the subset."""

    class Unusable:
        """Gives None for the images of one class."""

        def __call__(self, results):
            return None if results['gt_label'] == 0 else results

    def make(self, test_mode=False):
        inner = ArrayDataset(
            shuffled_labels(10, 20), 10, pipeline=[self.Unusable()], test_mode=test_mode
        )
        return LongTailedDataset(inner, imbalance_factor=2)

    def test_another_of_the_subset(self):
        dataset = self.make()
        unusable = np.flatnonzero(dataset.get_gt_labels() == 0)
        chosen = {int(dataset[int(i)]['sample_idx']) for i in unusable for _ in range(5)}
        assert chosen <= set(dataset.indices.tolist()) and len(chosen) > 10

    def test_follows_from_the_draw(self):
        dataset = self.make()
        first = [int(dataset[DrawIndex(0, draw)]['sample_idx']) for draw in range(20)]
        np.random.seed(9)
        assert first == [int(dataset[DrawIndex(0, d)]['sample_idx']) for d in range(20)]
        assert len(set(first)) > 5
        assert dataset[DrawIndex(0, 4)]['sample_idx'].draw == 4

    def test_test_mode_is_an_error(self):
        with pytest.raises(RuntimeError, match='None for sample 0'):
            self.make(test_mode=True)[0]
