"""ReproducibleSampler: MMEngine's order, draws from (seed, epoch, index), entry anywhere."""

import itertools

import numpy as np
import pytest
from mmengine.dataset import DefaultSampler
from mmengine.registry import DATA_SAMPLERS

from rcl_mm.augment.draws import DrawIndex, sample_draws
from rcl_mm.datasets import ReproducibleSampler
from rcl_mm.datasets import samplers as samplers_module


def as_rank(monkeypatch, rank, world_size):
    monkeypatch.setattr(samplers_module, 'get_dist_info', lambda: (rank, world_size))
    monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda: (rank, world_size))


class TestFinite:
    @pytest.mark.parametrize('shuffle', [True, False])
    @pytest.mark.parametrize('round_up', [True, False])
    @pytest.mark.parametrize('rank,world_size', [(0, 1), (0, 3), (2, 3), (4, 7)])
    def test_order_is_that_of_default_sampler(
        self, monkeypatch, shuffle, round_up, rank, world_size
    ):
        as_rank(monkeypatch, rank, world_size)
        arguments = dict(dataset=range(10), shuffle=shuffle, seed=5, round_up=round_up)
        ours, theirs = ReproducibleSampler(**arguments), DefaultSampler(**arguments)
        for epoch in (0, 3):
            ours.set_epoch(epoch)
            theirs.set_epoch(epoch)
            assert list(ours) == list(theirs)
            assert len(ours) == len(theirs) == len(list(ours))

    def test_more_ranks_than_samples(self, monkeypatch):
        as_rank(monkeypatch, 4, 5)
        arguments = dict(dataset=range(2), shuffle=True, seed=5)
        assert list(ReproducibleSampler(**arguments)) == list(DefaultSampler(**arguments))

    def test_draws_follow_from_seed_epoch_and_index(self):
        sampler = ReproducibleSampler(range(6), seed=5)
        sampler.set_epoch(2)
        indices = list(sampler)
        assert all(isinstance(i, DrawIndex) for i in indices)
        assert [i.draw for i in indices] == sample_draws(5, 2, np.array(indices)).tolist()

    def test_draws_do_not_depend_on_the_number_of_ranks(self, monkeypatch):
        alone = {int(i): i.draw for i in ReproducibleSampler(range(10), seed=5)}
        shared = {}
        for rank in range(3):
            as_rank(monkeypatch, rank, 3)
            shared.update({int(i): i.draw for i in ReproducibleSampler(range(10), seed=5)})
        assert shared == alone

    def test_skip__is_the_rest_of_the_epoch_once(self):
        sampler = ReproducibleSampler(range(10), seed=5)
        whole = [(int(i), i.draw) for i in sampler]
        sampler.skip(4)
        assert len(sampler) == 10
        assert [(int(i), i.draw) for i in sampler] == whole[4:]
        assert [(int(i), i.draw) for i in sampler] == whole

    @pytest.mark.parametrize('number', [-1, 11])
    def test_skip__outside_the_epoch(self, number):
        with pytest.raises(ValueError, match=r'allowed is 0\.\.10'):
            ReproducibleSampler(range(10), seed=5).skip(number)

    def test_empty_data_set(self):
        with pytest.raises(ValueError, match='is empty'):
            ReproducibleSampler([], seed=0)

    def test_builds_as_mmengine_builds_samplers(self):
        sampler = DATA_SAMPLERS.build(
            dict(type='ReproducibleSampler', shuffle=False),
            default_args=dict(dataset=range(3), seed=None),
        )
        assert list(sampler) == [0, 1, 2] and isinstance(sampler.seed, int)


class TestInfinite:
    def stream(self, count, **kwargs):
        sampler = ReproducibleSampler(range(7), seed=5, infinite=True, **kwargs)
        return sampler, [(int(i), i.draw) for i in itertools.islice(sampler, count)]

    def test_passes_are_permutations_with_new_draws(self):
        _, stream = self.stream(21)
        passes = [stream[i : i + 7] for i in (0, 7, 14)]
        assert all(sorted(index for index, _ in p) == list(range(7)) for p in passes)
        assert len({draw for _, draw in stream}) == 21
        assert len({tuple(index for index, _ in p) for p in passes}) == 3

    @pytest.mark.parametrize('world_size', [2, 3, 9])
    def test_ranks_share_one_stream(self, monkeypatch, world_size):
        _, whole = self.stream(40 * world_size)
        for rank in range(world_size):
            as_rank(monkeypatch, rank, world_size)
            _, own = self.stream(40)
            assert own == whole[rank::world_size][:40]

    @pytest.mark.parametrize('rank', [0, 1])
    def test_skip__enters_the_stream_anywhere(self, monkeypatch, rank):
        as_rank(monkeypatch, rank, 2)
        sampler, whole = self.stream(60)
        sampler.skip(25)
        assert [(int(i), i.draw) for i in itertools.islice(sampler, 35)] == whole[25:]

    def test_not_shuffled(self):
        _, stream = self.stream(9, shuffle=False)
        assert [index for index, _ in stream] == [0, 1, 2, 3, 4, 5, 6, 0, 1]
