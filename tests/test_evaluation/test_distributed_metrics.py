"""Over two ranks the metrics are those of one process, repeated samples and all."""

import socket

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from mmengine.dataset import DefaultSampler
from mmengine.dist import get_rank
from mmengine.evaluator import Evaluator
from mmpretrain.structures import DataSample

import rcl_mm  # noqa: F401
from rcl_mm.evaluation import ResultsRecorder

NUM_SAMPLES, NUM_CLASSES, WORLD_SIZE = 31, 4, 2
COUNTS = [300, 50, 30, 5]


def samples():
    generator = torch.Generator().manual_seed(3)
    batch = []
    for index in range(NUM_SAMPLES):
        scores = torch.randn(NUM_CLASSES, generator=generator).softmax(0)
        sample = DataSample(metainfo=dict(sample_idx=index)).set_gt_label(index % NUM_CLASSES)
        sample.set_pred_score(scores)
        sample.set_field(torch.randn(6, generator=generator), 'feature')
        batch.append(sample)
    return batch


def evaluate():
    """Feed this rank's share, as MMEngine's sampler deals it, in batches of four."""
    recorder = ResultsRecorder(class_counts=COUNTS)
    evaluator = Evaluator(
        [
            dict(type='LongTailMetric', class_counts=COUNTS),
            dict(type='FeatureSpaceMetric', class_counts=COUNTS, num_samples=16),
            recorder,
        ]
    )
    everything = samples()
    mine = list(DefaultSampler(everything, shuffle=False))
    for start in range(0, len(mine), 4):
        evaluator.process([everything[index] for index in mine[start : start + 4]])
    return evaluator.evaluate(NUM_SAMPLES), recorder.results_of_test


def run_rank(rank, port, folder):
    torch.distributed.init_process_group(
        'gloo', init_method=f'tcp://127.0.0.1:{port}', rank=rank, world_size=WORLD_SIZE
    )
    metrics, results = evaluate()
    assert get_rank() == rank
    torch.save({'metrics': metrics, 'has_results': results is not None}, folder / f'{rank}.pt')
    if rank == 0:
        np.savez(
            folder / 'results.npz',
            table=np.stack([results.target, results.predicted, results.indices]),
            means=results.spaces['feature'].class_means,
            positions=results.spaces['feature'].map_positions,
        )
    torch.distributed.destroy_process_group()


@pytest.fixture(scope='module')
def two_ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp('ranks')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    mp.spawn(run_rank, args=(port, folder), nprocs=WORLD_SIZE)
    return folder


class TestTwoRanks:
    def test_evaluate__uneven_share__equals_one_process(self, two_ranks):
        expected, _ = evaluate()
        assert len(expected) > 30
        for rank in range(WORLD_SIZE):
            found = torch.load(two_ranks / f'{rank}.pt', weights_only=True)['metrics']
            assert found == pytest.approx(expected, rel=1e-9)

    def test_recorder__uneven_share__equals_one_process(self, two_ranks):
        _, expected = evaluate()
        found = np.load(two_ranks / 'results.npz')
        np.testing.assert_array_equal(found['table'][0], expected.target)
        np.testing.assert_array_equal(found['table'][1], expected.predicted)
        np.testing.assert_array_equal(found['table'][2], expected.indices)
        np.testing.assert_array_equal(found['means'], expected.spaces['feature'].class_means)
        np.testing.assert_array_equal(found['positions'], expected.spaces['feature'].map_positions)
        assert torch.load(two_ranks / '0.pt', weights_only=True)['has_results']
