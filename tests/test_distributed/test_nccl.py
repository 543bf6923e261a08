"""The NCCL path on a machine with a GPU: one rank, and two ranks that share one GPU.

NCCL refuses two ranks of one host on one device ("Duplicate GPU detected"). With a host name of
its own for each (NCCL_HOSTID) it takes them for two machines and goes over the loopback network:
slow, and the same code as on a cluster.
"""

import multiprocessing
import os
import traceback

import numpy as np
import pytest
import torch
import torch.distributed as dist

from rcl_mm.functional import rebalanced_contrastive_loss
from rcl_mm.ops import gather

from .test_gather import global_batch, largest_difference, loss_of_one_process, shares
from .training import train

pytestmark = pytest.mark.gpu
SYNC_BN = {'sync_bn': 'torch', 'model.head.loss.chunk_size': 5}
SECONDS = 240


def start(rank, ranks, store):
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK='0',
        WORLD_SIZE=str(ranks),
        NCCL_HOSTID=f'host{rank}',
        NCCL_SOCKET_IFNAME='lo',
        NCCL_IB_DISABLE='1',
    )
    torch.cuda.set_device(0)
    dist.init_process_group(
        'nccl', init_method=f'file://{store}', rank=rank, world_size=ranks, device_id=None
    )


def work(task, rank, ranks, store, connection, args):
    try:
        start(rank, ranks, store)
        connection.send((False, task(rank, ranks, *args)))
    except BaseException:
        connection.send((True, f'rank {rank}: {traceback.format_exc()}'))
    finally:
        os._exit(0)  # a communicator whose partner died can not be taken down in order


def run_ranks(ranks, folder, task, *args):
    """``task(rank, ranks, *args)`` in processes of their own; CUDA can not be forked."""
    context = multiprocessing.get_context('spawn')
    connections, processes = [], []
    for rank in range(ranks):
        here, there = context.Pipe()
        arguments = (task, rank, ranks, str(folder / 'store'), there, args)
        processes.append(context.Process(target=work, args=arguments))
        processes[-1].start()
        connections.append(here)
    try:
        answers = []
        for connection in connections:
            assert connection.poll(SECONDS), f'no answer within {SECONDS} s'
            answers.append(connection.recv())
    finally:
        for process in processes:
            process.kill()
            process.join()
    assert not any(failed for failed, _ in answers), answers
    return [answer for _, answer in answers]


def gather_once(rank, ranks):
    """The collectives themselves, forward and backward, also where one rank needs none."""
    embeddings = torch.arange(6.0, device='cuda').view(3, 2).requires_grad_()
    gathered = gather._AllGather.apply(embeddings)
    (gathered * torch.arange(1, 3 * ranks + 1, device='cuda')[:, None]).sum().backward()
    labels = gather._AllGather.apply(torch.full((3,), rank, device='cuda'))
    return gathered.detach().cpu().numpy(), embeddings.grad.cpu().numpy(), labels.tolist()


def test_one_rank(tmp_path):
    ((gathered, gradient, labels),) = run_ranks(1, tmp_path, gather_once)
    np.testing.assert_array_equal(gathered, np.arange(6.0).reshape(3, 2))
    np.testing.assert_array_equal(gradient, [[1, 1], [2, 2], [3, 3]])
    assert labels == [0, 0, 0]


def test_two_ranks_gather(tmp_path):
    for rank, (gathered, gradient, labels) in enumerate(run_ranks(2, tmp_path, gather_once)):
        np.testing.assert_array_equal(gathered, np.tile(np.arange(6.0).reshape(3, 2), (2, 1)))
        # Both ranks' losses weigh these rows so: their sum is what comes back.
        rows = np.arange(1, 4) + 3 * rank
        np.testing.assert_array_equal(gradient, 2 * np.stack([rows, rows], axis=1))
        assert labels == [0, 0, 0, 1, 1, 1]


def loss_without_waiting(rank, ranks, sizes):
    """As ``test_gather.loss_of_rank``, on the GPU; the second time nothing may wait for it."""
    embeddings, labels, centres = (tensor.cuda() for tensor in global_batch())
    counts = torch.tensor([900, 300, 100, 30, 10, 3], device='cuda')
    own = shares(sizes)[rank]
    for step in range(2):
        rows = embeddings[own].clone().requires_grad_()
        prototypes = centres.clone().requires_grad_()
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode('error' if step else 'default')
        loss = rebalanced_contrastive_loss(rows, labels[own], prototypes, counts, gather=True)
        loss.backward()
        torch.cuda.set_sync_debug_mode('default')
    dist.all_reduce(prototypes.grad)
    return dict(
        loss=loss.detach().cpu().numpy(),
        rows=(rows.grad / ranks).cpu().numpy(),
        centres=(prototypes.grad / ranks).cpu().numpy(),
    )


@pytest.mark.parametrize('sizes', [(12, 12), (13, 7)])
def test_two_ranks_loss_equals_one_process_and_never_waits(tmp_path, sizes):
    results = run_ranks(2, tmp_path, loss_without_waiting, sizes)
    expected = loss_of_one_process(sum(sizes), dict(prior_power=1.0), True)
    assert largest_difference(results, expected) < 1e-10


def test_two_ranks_train_like_one_with_synchronised_batch_norm(tmp_path):
    """SyncBN, the projector's and the prototypes' included: statistics of the global batch."""
    (expected,) = run_ranks(1, tmp_path, train, str(tmp_path), 'batch')
    (tmp_path / 'store').unlink(missing_ok=True)
    results = run_ranks(2, tmp_path, train, str(tmp_path), 'batch', SYNC_BN)
    for result in results:
        assert result['norms'] == ['SyncBatchNorm'] * len(expected['norms'])
        for name, weight in expected['weights'].items():
            np.testing.assert_allclose(result['weights'][name], weight, atol=1e-9, rtol=0)


def test_two_ranks_without_synchronised_batch_norm_differ(tmp_path):
    """The test above can fail."""
    (expected,) = run_ranks(1, tmp_path, train, str(tmp_path), 'batch')
    (tmp_path / 'store').unlink(missing_ok=True)
    results = run_ranks(2, tmp_path, train, str(tmp_path), 'batch')
    weights = expected['weights']
    assert max(np.abs(results[0]['weights'][n] - weights[n]).max() for n in weights) > 1e-6
