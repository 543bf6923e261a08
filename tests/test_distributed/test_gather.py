"""Loss and gradients over ranks against one process on the concatenated batch, in float64."""

import multiprocessing
import os
from unittest import mock

import numpy as np
import pytest
import torch
import torch.distributed as dist
from test_functional.cases import ABLATION, COUNTS, counts_for, make_batch

from rcl_mm.functional import rebalanced_contrastive_loss
from rcl_mm.ops import gather

from .ranks import RankError
from .wrong_gathers import WRONG

IMAGES = 12


def global_batch(prototypes=True):
    embeddings, labels, centres = make_batch(IMAGES, prototypes=prototypes, seed=4)
    return embeddings.detach(), labels, None if centres is None else centres.detach()


def shares(sizes, rows=2 * IMAGES):
    """Row ranges of the ranks; ``sizes`` None deals the rows out evenly."""
    edges = np.cumsum([0, *sizes])
    assert edges[-1] <= rows
    return [slice(int(a), int(b)) for a, b in zip(edges, edges[1:])]


def loss_of_rank(rank, world_size, sizes, options, prototypes, wrong=None, **more):
    """One rank's loss and DDP's gradients: of its own rows, and averaged for the centres."""
    gather._agreed = (None, 0)  # as in a new job
    embeddings, labels, centres = global_batch(prototypes)
    own = shares(sizes)[rank]
    embeddings = embeddings[own].clone().requires_grad_()
    centres = None if centres is None else centres.requires_grad_()
    other = mock.patch('rcl_mm.functional.gather_embeddings', WRONG.get(wrong))
    with other if wrong else mock.MagicMock():
        loss = rebalanced_contrastive_loss(
            embeddings, labels[own], centres, counts_for(options), gather=True, **options, **more
        )
        loss.sum().backward()
    result = dict(loss=loss.detach().numpy(), rows=(embeddings.grad / world_size).numpy())
    if centres is not None:
        dist.all_reduce(centres.grad)
        result['centres'] = (centres.grad / world_size).numpy()
    return result


def loss_of_one_process(rows, options, prototypes):
    embeddings, labels, centres = global_batch(prototypes)
    embeddings = embeddings[:rows].requires_grad_()
    centres = None if centres is None else centres.requires_grad_()
    loss = rebalanced_contrastive_loss(
        embeddings, labels[:rows], centres, counts_for(options), **options
    )
    loss.sum().backward()
    result = dict(loss=loss.detach().numpy(), rows=embeddings.grad.numpy())
    if centres is not None:
        result['centres'] = centres.grad.numpy()
    return result


def largest_difference(results, expected, loss=np.mean):
    """Over the loss and all gradients; ``loss`` puts the ranks' values together."""
    together = dict(
        loss=loss([result['loss'] for result in results], axis=0),
        rows=np.concatenate([result['rows'] for result in results]),
    )
    differences = [np.abs(together[name] - expected[name]).max() for name in together]
    if 'centres' in expected:
        differences += [np.abs(one['centres'] - expected['centres']).max() for one in results]
    return max(differences)


def even(ranks):
    return [2 * IMAGES // ranks.world_size] * ranks.world_size


@pytest.mark.parametrize('row', ABLATION)
def test_even_batches_equal_one_process(ranks, row):
    options, prototypes = ABLATION[row]
    results = ranks.run(loss_of_rank, even(ranks), options, prototypes)
    expected = loss_of_one_process(2 * IMAGES, options, prototypes)
    assert largest_difference(results, expected) < 1e-12
    # Each rank's value is its own anchors': they differ, and only their mean is the loss.
    assert len({float(result['loss']) for result in results}) == ranks.world_size


@pytest.mark.parametrize('row', ABLATION)
@pytest.mark.parametrize('sizes', [(11, 4, 9), (8, 8, 1), (1, 2, 8), (5, 0, 7)])
def test_uneven_batches_equal_one_process(three_ranks, row, sizes):
    """Padded rows are no anchors, no keys, no members of a class, and in no mean."""
    options, prototypes = ABLATION[row]
    results = three_ranks.run(loss_of_rank, sizes, options, prototypes)
    expected = loss_of_one_process(sum(sizes), options, prototypes)
    assert largest_difference(results, expected) < 1e-12


@pytest.mark.parametrize('row', ['supcon', 'rcl'])
def test_chunks_over_ranks_equal_one_process(three_ranks, row):
    options, prototypes = ABLATION[row]
    arguments = ((8, 3, 8), {**options, 'chunk_size': 3}, prototypes)
    results = three_ranks.run(loss_of_rank, *arguments)
    expected = loss_of_one_process(19, options, prototypes)
    assert largest_difference(results, expected) < 1e-12


def test_sum_over_ranks_is_the_sum(two_ranks):
    """reduction='sum': DDP's mean of gradients is the global one divided by the ranks."""
    options = dict(ABLATION['rcl'][0], reduction='sum')
    results = two_ranks.run(loss_of_rank, [10, 14], options, True)
    expected = loss_of_one_process(24, options, True)
    assert np.isclose(sum(result['loss'] for result in results), expected['loss'], rtol=1e-12)
    rows = np.concatenate([result['rows'] for result in results])
    np.testing.assert_allclose(2 * rows, expected['rows'], atol=1e-12)


def test_no_positive_on_any_rank_gives_zero(two_ranks):
    options = dict(ABLATION['supcon'][0])
    results = two_ranks.run(loss_of_rank, [1, 0], options, False)
    assert all(result['loss'] == 0 and not result['rows'].any() for result in results)


@pytest.mark.parametrize('wrong', WRONG)
def test_gather_that_loses_gradients_is_noticed(ranks, wrong):
    """The proof above can fail: the loss is the same then, but the gradient is not."""
    options, prototypes = ABLATION['rcl']
    results = ranks.run(loss_of_rank, even(ranks), options, prototypes, wrong)
    expected = loss_of_one_process(2 * IMAGES, options, prototypes)
    assert np.isclose(np.mean([one['loss'] for one in results]), expected['loss'], rtol=1e-12)
    assert largest_difference(results, expected) > 1e-3


def local_losses(rank, world_size, sizes):
    embeddings, labels, centres = global_batch()
    own = shares(sizes)[rank]
    local = rebalanced_contrastive_loss(embeddings[own], labels[own], centres, COUNTS, gather=False)
    return float(local)


def test_without_gather_each_rank_has_its_own_batch(two_ranks):
    embeddings, labels, centres = global_batch()
    found = two_ranks.run(local_losses, [12, 12])
    for own, value in zip(shares([12, 12]), found):
        expected = rebalanced_contrastive_loss(embeddings[own], labels[own], centres, COUNTS)
        assert value == pytest.approx(float(expected), rel=1e-12)


def gather_of_kind(rank, world_size, dimensions, types):
    gather._agreed = (None, 0)  # as in a new job
    embeddings = torch.zeros(4, dimensions[rank], dtype=getattr(torch, types[rank]))
    gather.gather_embeddings(embeddings, torch.zeros(4, dtype=torch.long))


@pytest.mark.parametrize(
    'dimensions, types',
    [((8, 9), ('float32', 'float32')), ((8, 8), ('float32', 'float64'))],
)
def test_ranks_with_different_embeddings_are_refused_everywhere(two_ranks, dimensions, types):
    with pytest.raises(RankError, match='same model and precision') as error:
        two_ranks.run(gather_of_kind, dimensions, types)
    assert 'rank 0: ' in str(error.value) and 'rank 1: ' in str(error.value)


def gather_sizes(rank, world_size, steps):
    """Gather batches of ``steps[step][rank]`` rows; the first values of what came, padding off."""
    gather._agreed = (None, 0)
    received, meetings = [], []
    agree = gather._agree
    with mock.patch.object(
        gather, '_agree', lambda *a: meetings.append(len(received)) or agree(*a)
    ):
        for sizes in steps:
            embeddings = torch.full((sizes[rank], 2), float(rank))
            labels = torch.full((sizes[rank],), rank)
            keys, key_labels, offset, _ = gather.gather_embeddings(embeddings, labels)
            assert torch.equal(keys[offset : offset + sizes[rank]], embeddings)
            kept = key_labels != gather.PADDING_LABEL
            assert torch.equal(keys[kept][:, 0].long(), key_labels[kept])
            assert not keys[~kept].any()
            received.append(torch.bincount(key_labels[kept], minlength=world_size).tolist())
    return received, meetings


def test_sizes_may_change_and_are_asked_for_only_when_they_grow(three_ranks):
    steps = [(4, 4, 4), (4, 4, 4), (4, 1, 3), (4, 4, 4), (6, 6, 6), (2, 6, 0), (9, 7, 8)]
    for received, meetings in three_ranks.run(gather_sizes, steps):
        assert [tuple(sizes) for sizes in received] == steps
        assert meetings == [0, 4, 6]


def grow_alone(rank, store, folder):
    """Rank 1's batch grows, rank 0's does not; both write down what they are told."""
    dist.init_process_group('gloo', init_method=f'file://{store}', rank=rank, world_size=2)
    gather.SECONDS_TO_MEET_AGAIN = 1
    for rows in (4, 4 + rank):
        try:
            gather.gather_embeddings(torch.zeros(rows, 2), torch.zeros(rows).long())
        except ValueError as error:
            (folder / str(rank)).write_text(str(error))
    os._exit(0)  # as a process that ends by its error, without a farewell to the other


def test_one_rank_growing_alone_is_refused_on_every_rank(tmp_path):
    context = multiprocessing.get_context('forkserver')
    arguments = (str(tmp_path / 'store'), tmp_path)
    processes = [context.Process(target=grow_alone, args=(rank, *arguments)) for rank in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    messages = [(tmp_path / str(rank)).read_text() for rank in (0, 1)]
    assert messages == 2 * [
        'rank 1 has 5 embeddings to gather, more than the 4 of any step before, but the batch of '
        'ranks [0] has not grown within 1 s: give all ranks the same batch size (drop_last, or a '
        'sampler that rounds up)'
    ]
