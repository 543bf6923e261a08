"""DrawIndex and the counter-based random numbers."""

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmengine.dataset import RepeatDataset
from scipy import stats

from rcl_mm.augment.draws import (
    DrawIndex,
    keep_draw,
    mix64,
    mix64_int,
    sample_draws,
    splitmix64,
    uniforms,
)
from rcl_mm.datasets import DigitsLT

INT64 = st.integers(-(2**63), 2**63 - 1)


def test_splitmix64__neighbours__no_order_left():
    keys = splitmix64(np.arange(10000))
    assert len(np.unique(keys)) == 10000
    assert abs(np.corrcoef(np.arange(10000), keys.astype(np.float64))[0, 1]) < 0.05


def test_splitmix64__published_sequence():
    # The first outputs of SplitMix64 from state 1234567 (Vigna's reference implementation).
    state, golden = 1234567, 0x9E3779B97F4A7C15
    outputs = [int(splitmix64((state + i * golden) % 2**64)) for i in range(3)]
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@given(st.lists(INT64, min_size=1, max_size=4))
def test_mix64__python_and_numpy_agree(parts):
    assert mix64_int(*parts) == int(mix64(*parts))


def test_mix64__order_matters():
    assert mix64_int(1, 2) != mix64_int(2, 1)


class TestSampleDraws:
    def test_batch_equals_single(self):
        indices = np.array([5, 0, 49_999])
        single = [int(sample_draws(3, 7, int(i))) for i in indices]
        assert sample_draws(3, 7, indices).tolist() == single

    def test_fits_an_int64_tensor(self):
        draws = sample_draws(0, 0, np.arange(10_000))
        assert draws.dtype == np.int64 and (draws >= 0).all()
        assert torch.from_numpy(draws).tolist() == draws.tolist()

    def test_no_repeats_over_epochs_seeds_and_samples(self):
        draws = np.concatenate(
            [sample_draws(seed, epoch, np.arange(1000)) for seed in (0, 1) for epoch in range(10)]
        )
        assert len(np.unique(draws)) == len(draws)


class TestUniforms:
    @given(st.lists(INT64, min_size=1, max_size=5), st.integers(0, 5), st.integers(1, 6))
    def test_batch_equals_single(self, draws, view, n):
        batch = uniforms(np.array(draws, dtype=np.int64), view, n)
        assert batch.shape == (len(draws), n) and batch.dtype == np.float64
        for row, draw in zip(batch, draws):
            np.testing.assert_array_equal(uniforms(draw, view, n)[0], row)

    def test_int64_and_uint64_agree(self):
        draws = np.array([-1, 5, 2**62], dtype=np.int64)
        np.testing.assert_array_equal(
            uniforms(draws, 0, 3), uniforms(draws.astype(np.uint64), 0, 3)
        )

    def test_prefix_does_not_depend_on_n(self):
        np.testing.assert_array_equal(uniforms([9], 1, 8)[:, :3], uniforms([9], 1, 3))

    def test_distribution(self):
        # Consecutive draws, the hardest input: each column uniform, columns and views unrelated.
        values = uniforms(np.arange(20_000), view=0, n=2)
        other = uniforms(np.arange(20_000), view=1, n=1)
        assert values.min() >= 0 and values.max() < 1
        for column in (values[:, 0], values[:, 1], other[:, 0]):
            assert stats.kstest(column, 'uniform').pvalue > 1e-3
        for a, b in ((values[:, 0], values[:, 1]), (values[:, 0], other[:, 0])):
            assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(20_000)

    def test_float_draws_are_refused(self):
        with pytest.raises(TypeError, match='draws must be integers'):
            uniforms(np.array([0.5]), 0, 1)

    def test_shape_is_checked(self):
        with pytest.raises(ValueError, match=r'shape \(N,\)'):
            uniforms(np.zeros((2, 2), dtype=np.int64), 0, 1)


class TestDrawIndex:
    def test_is_an_int(self):
        index = DrawIndex(4, 99)
        assert index == 4 and [0, 1, 2, 3, 'x'][index] == 'x' and str(index) == '4'
        assert isinstance(index, int) and hash(index) == hash(4)

    @pytest.mark.parametrize(
        'shift', [lambda i: i % 3, lambda i: i + 1, lambda i: 1 + i, lambda i: i - 2]
    )
    def test_shifting_keeps_the_draw(self, shift):
        shifted = shift(DrawIndex(7, 2**62))
        assert int(shifted) == shift(7) and shifted.draw == 2**62

    @pytest.mark.parametrize(
        'clone', [copy.copy, copy.deepcopy, lambda i: pickle.loads(pickle.dumps(i))]
    )
    def test_clones_keep_the_draw(self, clone):
        index = clone(DrawIndex(7, 2**62))
        assert index == 7 and index.draw == 2**62

    def test_keep_draw__plain_index(self):
        assert type(keep_draw(3, np.int64(5))) is int

    def test_goes_through_repeat_dataset_into_the_data_info(self):
        inner = DigitsLT(split='val')
        repeated = RepeatDataset(inner, times=2)
        info = repeated.get_data_info(DrawIndex(len(inner) + 3, 42))
        assert info['sample_idx'] == 3 and info['sample_idx'].draw == 42
