"""Walking over nested data sets."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.config import ConfigDict
from torch.utils.data import ConcatDataset, DataLoader, Subset, TensorDataset

from rcl_mm.class_counts import inner_datasets


class TestInnerDatasets:
    def test_config__every_depth_outermost_first(self):
        leaves = [dict(type='A'), dict(type='B')]
        wrapped = dict(type='RepeatDataset', dataset=dict(type='ConcatDataset', datasets=leaves))
        found = list(inner_datasets(ConfigDict(dataset=wrapped, batch_size=8)))
        assert [one['type'] for one in found] == ['RepeatDataset', 'ConcatDataset', 'A', 'B']

    def test_config__is_changed_in_place(self):
        loader = dict(dataset=dict(dataset=dict(pipeline=[1])))
        for dataset in inner_datasets(loader):
            dataset['pipeline'] = []
        assert loader == dict(dataset=dict(pipeline=[], dataset=dict(pipeline=[])))

    def test_data_sets__of_torch(self):
        leaf = TensorDataset(torch.zeros(3))
        subset = Subset(leaf, [])
        both = ConcatDataset([subset, leaf])
        loader = SimpleNamespace(dataset=both)
        assert list(inner_datasets(loader)) == [both, subset, leaf, leaf]

    @pytest.mark.parametrize(
        'outer',
        [{}, dict(dataset=None, datasets=None), SimpleNamespace(dataset='cifar10'), object()],
    )
    def test_nothing_inside(self, outer):
        assert list(inner_datasets(outer)) == []

    def test_loader__has_its_data_set(self):
        dataset = [1, 2]
        assert list(inner_datasets(DataLoader(dataset))) == [dataset]
