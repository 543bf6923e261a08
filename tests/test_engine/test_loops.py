"""Beginning a data loader some batches in."""

import pytest
from torch.utils.data import DataLoader

from rcl_mm.datasets import ReproducibleSampler
from rcl_mm.engine.loops import index_sampler, skip_batches


class Reading(list):
    """A data set that remembers what was read."""

    def __init__(self, size):
        super().__init__(range(size))
        self.read = []

    def __getitem__(self, index):
        self.read.append(int(index))
        return super().__getitem__(index)


def make_loader(infinite=False, size=10):
    data = Reading(size)
    sampler = ReproducibleSampler(data, shuffle=False, seed=0, infinite=infinite)
    return DataLoader(data, batch_size=4, sampler=sampler)


class TestSkipBatches:
    def test_skipped_samples_are_not_read(self):
        loader = make_loader()
        assert skip_batches(loader, 1) == 0
        assert [batch.tolist() for batch in loader] == [[4, 5, 6, 7], [8, 9]]
        assert loader.dataset.read == list(range(4, 10))
        assert len(list(loader)) == 3

    def test_whole_epoch__with_a_smaller_last_batch(self):
        loader = make_loader()
        skip_batches(loader, 3)
        assert list(loader) == []

    def test_endless(self):
        loader = make_loader(infinite=True)
        skip_batches(loader, 5)
        assert next(iter(loader)).tolist() == [0, 1, 2, 3]
        assert loader.dataset.read == [0, 1, 2, 3]

    def test_sampler_that_can_not_skip__leaves_it_to_the_caller(self):
        loader = DataLoader(Reading(10), batch_size=4)
        assert skip_batches(loader, 2) == 2
        assert len(list(loader)) == 3

    @pytest.mark.parametrize('infinite', [True, False])
    def test_nothing_to_skip(self, infinite):
        loader = make_loader(infinite)
        assert skip_batches(loader, 0) == 0
        assert next(iter(loader)).tolist() == [0, 1, 2, 3]

    def test_index_sampler(self):
        loader = make_loader()
        assert index_sampler(loader) is loader.sampler
