"""Views that are written where their batch will be, and what falls out of line."""

import numpy as np
import pytest
import torch

from rcl_mm.datasets import batch_memory
from rcl_mm.datasets.batch_memory import finish_batch, take_views

SHAPE = (2, 3, 5, 3)


@pytest.fixture(autouse=True)
def no_batch_before(monkeypatch):
    """As in a new thread."""
    monkeypatch.setattr(batch_memory, '_memory', batch_memory._Memory())


def sample(value):
    """The views of a sample, full of a number."""
    views = take_views(SHAPE)
    for number, view in enumerate(views):
        view[:] = 10 * value + number
    return [torch.from_numpy(view) for view in views]


def finish(samples):
    return finish_batch(list(zip(*samples)))


def values(batch):
    """The number of each sample of each view; all its pixels have it."""
    assert all((view == view[:, :1, :1, :1]).all() for view in batch)
    return [view[:, 0, 0, 0].tolist() for view in batch]


@pytest.fixture
def size_known():
    """One batch of three has gone by."""
    assert finish([sample(0), sample(1), sample(2)]) is None


def test_first_batch__size_not_known_yet():
    samples = [sample(value) for value in (1, 2)]
    assert finish(samples) is None
    assert [samples[1][view][0, 0, 0] for view in (0, 1)] == [20, 21]


def test_whole_batch__in_the_samples_own_memory(size_known):
    samples = [sample(value) for value in (4, 5, 6)]
    batch = finish(samples)
    assert values(batch) == [[40, 50, 60], [41, 51, 61]]
    assert all(view.shape == (3, *SHAPE[1:]) and view.is_contiguous() for view in batch)
    samples[2][1].fill_(99)
    assert values(batch)[1] == [41, 51, 99]


def test_smaller_last_batch__and_a_whole_one_after_it(size_known):
    assert values(finish([sample(7)])) == [[70], [71]]
    assert values(finish([sample(value) for value in (1, 2, 3)])) == [[10, 20, 30], [11, 21, 31]]


def test_larger_batch__copied_once_then_in_place(size_known):
    assert finish([sample(value) for value in range(5)]) is None
    assert values(finish([sample(value) for value in range(5)]))[0] == [0, 10, 20, 30, 40]


@pytest.mark.parametrize('dropped', [0, 1])
def test_dropped_sample__is_not_in_the_batch(size_known, dropped):
    samples = [sample(value) for value in (1, 2, 3)]
    del samples[dropped]
    assert finish(samples) is None


def test_order_changed__copied(size_known):
    samples = [sample(value) for value in (1, 2, 3)]
    assert finish(samples[::-1]) is None


def test_same_sample_twice__copied(size_known):
    first = sample(1)
    assert finish([first, first]) is None


def test_image_replaced_by_a_later_transform__copied(size_known):
    samples = [sample(value) for value in (1, 2, 3)]
    samples[1][0] = samples[1][0] + 1
    assert finish(samples) is None


def test_image_seen_otherwise__copied(size_known):
    """The same memory, but not the row as it was given."""
    samples = [[view.transpose(0, 1) for view in sample(value)] for value in (1, 2, 3)]
    assert finish(samples) is None
    samples = [[view[:2] for view in sample(value)] for value in (1, 2, 3)]
    assert finish(samples) is None


def test_batch_in_use__is_not_written_to(size_known):
    kept = [finish([sample(value), sample(value + 1), sample(value + 2)]) for value in range(4)]
    for value, batch in enumerate(kept):
        assert values(batch)[0] == [10 * value, 10 * value + 10, 10 * value + 20]


def test_batch_gone__its_memory_is_used_again(size_known):
    places = set()
    for _ in range(6):
        batch = finish([sample(1), sample(2), sample(3)])
        places.add(batch[0].data_ptr())
        del batch
    assert len(places) < 6


def test_other_shape_in_between__copied(size_known):
    first = sample(1)
    other = take_views((1, 2, 2, 3))
    assert finish_batch([[torch.from_numpy(other[0])]]) is None
    assert finish([first, sample(2)]) is None


def test_samples_without_a_batch__each_has_its_own_memory(size_known):
    samples = [sample(value) for value in range(8)]
    assert [int(views[0][0, 0, 0]) for views in samples] == list(range(0, 80, 10))
    assert finish(samples) is None


def test_take_views__contiguous_rows(size_known):
    for view in take_views(SHAPE):
        assert view.shape == SHAPE[1:] and view.dtype == np.uint8 and view.flags.c_contiguous
