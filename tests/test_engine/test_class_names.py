"""ClassNamesHook: differing classes are refused before any work."""

from types import SimpleNamespace

import numpy as np
import pytest
from torch import nn

from rcl_mm.engine.hooks.class_names import ClassNamesHook, difference


class Set:
    def __init__(self, classes='abc', labels=(0, 1, 2)):
        self.metainfo = {'classes': tuple(classes)} if classes else {}
        self.labels = np.asarray(labels)

    def __len__(self):
        return len(self.labels)

    def get_gt_labels(self):
        return self.labels


def runner_of(train=None, val=None, test=None, outputs=3):
    model = nn.Module()
    model.head = nn.Module()
    model.head.num_classes = outputs

    def loop(dataset):
        if dataset is None:
            return None
        return SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset))

    return SimpleNamespace(
        model=model,
        train_dataloader=SimpleNamespace(dataset=train),
        val_loop=loop(val),
        test_loop=loop(test),
    )


DIFFERENT = [
    (Set('ac', [0, 1]), '"b" is missing'),
    (Set(['Bird', 'a', 'c']), '"b" is missing .*"Bird" is not one of training'),
    (Set('abcd'), '"d" is not one of training'),
    (Set('acb'), r'in another order from class 1 on \("c"\)'),
    (Set(None, [0, 3]), r'has label 3, allowed is 0\.\.2'),
]


class TestClassNamesHook:
    @pytest.mark.parametrize(('other', 'message'), DIFFERENT)
    def test_training__validation_set(self, other, message):
        with pytest.raises(ValueError, match=f'the validation set.*{message}'):
            ClassNamesHook().before_train(runner_of(Set(), other))

    @pytest.mark.parametrize(('other', 'message'), DIFFERENT)
    def test_testing__checkpoint(self, other, message):
        hook = ClassNamesHook()
        hook.after_load_checkpoint(None, {'meta': {'dataset_meta': {'classes': ['a', 'b', 'c']}}})
        with pytest.raises(ValueError, match=f'the test set.*{message}'):
            hook.before_test(runner_of(test=other))

    @pytest.mark.parametrize('outputs', [2, 4])
    def test_head_of_another_number(self, outputs):
        with pytest.raises(ValueError, match='set model.head.num_classes=3'):
            ClassNamesHook().before_train(runner_of(Set(), Set(), outputs=outputs))

    @pytest.mark.parametrize('val', [Set(), Set(None), Set(list('abc'), [0]), None, Set('abc', [])])
    def test_same_classes(self, val):
        ClassNamesHook().before_train(runner_of(Set(), val))
        ClassNamesHook().before_test(runner_of(test=Set() if val is None else val))

    def test_several_labels_a_sample__not_checked(self):
        many = Set('abc', np.eye(3))
        ClassNamesHook().before_train(runner_of(many, many, outputs=5))

    def test_fine_tuning__other_classes_of_a_checkpoint(self):
        hook = ClassNamesHook()
        hook.after_load_checkpoint(None, {'meta': {'dataset_meta': {'classes': ['x']}}})
        hook.before_train(runner_of(Set(), Set()))


class TestDifference:
    def test_none(self):
        assert difference(['a'], ('a',)) is None
