"""Images that wrappers repeat are counted once, whatever the wrapper."""

import numpy as np
import pytest
from mmengine.registry import DATASETS, DefaultScope
from mmpretrain.datasets import BaseDataset, CustomDataset
from small_images import write_digits
from torch.utils.data import ConcatDataset as TorchConcatDataset
from torch.utils.data import Subset

from rcl_mm.class_counts import dataset_class_counts, dataset_labels
from rcl_mm.datasets.distinct_images import distinct_samples, image_class_counts

COUNTS = [6, 4, 1]


@DATASETS.register_module(name='InMemoryImages')
class InMemory(BaseDataset):
    """Images in memory as CIFAR's; image 0 and 1 of each class look alike."""

    METAINFO = dict(classes=('a', 'b', 'c'))

    def __init__(self, **kwargs):
        super().__init__(ann_file='', pipeline=[], **kwargs)

    def load_data_list(self):
        return [
            dict(img=np.full((4, 4, 3), max(1, number) + 50 * label, np.uint8), gt_label=label)
            for label, count in enumerate(COUNTS)
            for number in range(count)
        ]


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return str(write_digits(tmp_path_factory.mktemp('images'), dict(zip('abc', COUNTS))))


@pytest.fixture(params=['files', 'memory'])
def config(request, root):
    if request.param == 'memory':
        return dict(type='InMemoryImages')
    return dict(type='CustomDataset', data_prefix=root, pipeline=[])


def build(config):
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return DATASETS.build(config)


def wrap(kind, inner, **settings):
    return dict(type=kind, dataset=inner, **settings)


def join(*inner):
    return dict(type='ConcatDataset', datasets=list(inner), ignore_keys=['class_counts'])


def cut(inner):
    """A tail that keeps all images."""
    return wrap('LongTailedDataset', inner, imbalance_factor=None, img_max=99)


def subsets(config, *ranges):
    inner = build(config)
    return TorchConcatDataset([Subset(inner, indices) for indices in ranges])


REPEATING = {
    'plain': build,
    'repeated': lambda one: build(wrap('RepeatDataset', one, times=5)),
    'class balanced': lambda one: build(wrap('ClassBalancedDataset', one, oversample_thr=0.5)),
    'one object twice': lambda one: TorchConcatDataset([build(one)] * 2),
    'one config twice': lambda one: build(join(one, one)),
    'nested': lambda one: build(join(wrap('RepeatDataset', one, times=2), one)),
    'cut from repeats': lambda one: build(cut(wrap('RepeatDataset', one, times=3))),
    'repeats of a cut': lambda one: build(wrap('RepeatDataset', cut(one), times=3)),
    'in memory': lambda one: build(
        wrap('ResidentDataset', wrap('RepeatDataset', one, times=2), size=8)
    ),
    'overlapping subsets': lambda one: subsets(one, range(8), range(3, 11)),
    'folds': lambda one: build(
        join(*[wrap('KFoldDataset', one, fold=k, num_splits=3) for k in range(3)])
    ),
}


class TestImageClassCounts:
    @pytest.mark.parametrize('kind', REPEATING)
    def test_every_repeat__is_counted_once(self, config, kind):
        dataset = REPEATING[kind](config)
        assert image_class_counts(dataset, 3).tolist() == COUNTS
        drawn = dataset_class_counts(dataset, 3)
        assert drawn.sum() == len(dataset)
        assert (drawn.tolist() == COUNTS) == (kind == 'plain')

    def test_one_fold__counts_its_own_images(self, config):
        fold = build(wrap('KFoldDataset', config, fold=0, num_splits=11))
        assert image_class_counts(fold, 3).tolist() == [5, 4, 1]

    def test_list_that_names_an_image_twice(self, root, tmp_path):
        lines = [f'a/{number}.jpg 0\n' for number in (0, 1, 0)] + ['./a/1.jpg 0\n']
        (tmp_path / 'list.txt').write_text(''.join(lines))
        dataset = CustomDataset(ann_file=str(tmp_path / 'list.txt'), data_prefix=root, pipeline=[])
        paths = [dataset.get_data_info(index)['img_path'] for index in range(4)]
        assert image_class_counts(dataset).tolist() == [2], paths

    def test_image_under_two_labels__is_one_of_each(self, root, tmp_path):
        (tmp_path / 'list.txt').write_text('a/0.jpg 0\na/0.jpg 1\n')
        dataset = CustomDataset(ann_file=str(tmp_path / 'list.txt'), data_prefix=root, pipeline=[])
        assert image_class_counts(dataset).tolist() == [1, 1]

    def test_wrapper_that_does_not_say_its_order__counts_what_it_draws(self, config):
        class Shuffled:
            dataset = build(config)

            def __len__(self):
                return 15

            def get_gt_labels(self):
                return np.zeros(15, np.int64)

        assert image_class_counts(Shuffled()).tolist() == [15]

    def test_data_sets_of_this_package__say_distinct_images(self, config):
        tail = REPEATING['cut from repeats'](config)
        assert tail.class_counts.tolist() == tail.metainfo['class_counts'] == COUNTS
        assert REPEATING['in memory'](config).class_counts.tolist() == COUNTS

    def test_joined_sets_of_one_benchmark(self):
        """DigitsLT without paths, built twice from a config with a different tail."""
        small, large = (
            build(dict(type='DigitsLT', split='train', img_max=n, pipeline=[])) for n in (5, 9)
        )
        joined = TorchConcatDataset([small, large])
        assert image_class_counts(joined, 10).tolist() == [9] * 10


class TestDistinctSamples:
    def test_first_sample_of_each_image(self, config):
        dataset = REPEATING['repeated'](config)
        samples = distinct_samples(dataset, dataset_labels(dataset))
        assert samples.tolist() == list(range(11))

    def test_missing_labels(self):
        dataset = InMemory()
        labels = dataset_labels(dataset)
        labels[3] = -1
        assert distinct_samples(dataset, labels).tolist() == list(range(11))

    def test_empty(self):
        class Empty:
            def __len__(self):
                return 0

        assert distinct_samples(Empty(), np.zeros(0, np.int64)).tolist() == []
