"""The loss as a CUDA graph, all but the graph itself: memory that is written over, and when.

``record`` is replaced by one that runs again into the same memory, as a graph does; tests on a GPU
(``tests/test_functional/test_gpu.py``) run the real one.
"""

import copy
import pickle

import pytest
import torch

from rcl_mm.functional import rebalanced_contrastive_loss
from rcl_mm.models import RCLLoss, graphed_contrast
from rcl_mm.models.graphed_contrast import FIRST_RECORDED_CALL, MAX_RECORDINGS, GraphedContrast

COUNTS = torch.tensor([900, 300, 100, 30, 10, 3])


def run_again_into_the_same_memory(run):
    outputs = run()

    def again():
        for output, new in zip(outputs, run()):
            output.copy_(new)

    return outputs, again


@pytest.fixture(autouse=True)
def no_gpu_needed(monkeypatch):
    monkeypatch.setattr(graphed_contrast, 'record', run_again_into_the_same_memory)
    monkeypatch.setattr(graphed_contrast, '_on_current_gpu', lambda x: isinstance(x, torch.Tensor))
    monkeypatch.setattr(torch.cuda, 'is_current_stream_capturing', lambda: False)


def batch(seed=0, images=6, prototypes=True):
    generator = torch.Generator().manual_seed(seed)

    def unit(rows):
        rows = torch.randn(rows, 8, generator=generator)
        return torch.nn.functional.normalize(rows, dim=1).requires_grad_()

    labels = torch.randint(6, (images,), generator=generator).repeat(2)
    return unit(2 * images), labels, unit(6) if prototypes else None, COUNTS


def gradients(loss, inputs):
    return torch.autograd.grad(loss, [inputs[i] for i in (0, 2) if inputs[i] is not None])


def assert_plain(loss, found, inputs, factor=1.0, **options):
    expected = rebalanced_contrastive_loss(*inputs, **options) * factor
    torch.testing.assert_close(loss, expected)
    for gradient, wanted in zip(found, gradients(expected, inputs)):
        torch.testing.assert_close(gradient, wanted)


def recorded(contrast, **settings):
    """The recording that a shape of batch has after enough calls."""
    for seed in range(FIRST_RECORDED_CALL):
        contrast(*batch(seed, **settings))
    return list(contrast._recordings.values())[-1]


@pytest.mark.parametrize('prototypes', [True, False])
@pytest.mark.parametrize('options', [{}, dict(prior_power=0.5, reduction='sum', gather=True)])
def test_batch_after_batch(prototypes, options):
    contrast, losses = GraphedContrast(), []
    for seed in range(FIRST_RECORDED_CALL + 4):
        inputs = batch(seed, prototypes=prototypes)
        loss = contrast(*inputs, **options) * 0.7
        assert_plain(loss, gradients(loss, inputs), inputs, 0.7, **options)
        losses.append((loss.detach().clone(), loss))
    (recording,) = contrast._recordings.values()
    # The check of the recording, the call that made it and those after it.
    assert recording.number == 1 + 1 + 4
    assert all(torch.equal(then, now) for then, now in losses)


def test_two_batches_before_their_backward_passes():
    contrast = GraphedContrast()
    recording = recorded(contrast)
    both = [batch(seed) for seed in (10, 11)]
    losses = [contrast(*inputs) for inputs in both]
    before = recording.number
    for loss, inputs in zip(losses, both):
        assert_plain(loss, gradients(loss, inputs), inputs)
    assert recording.number > before  # the first one's gradients had been written over


def test_backward_twice():
    contrast = GraphedContrast()
    recorded(contrast)
    inputs = batch(10)
    loss = contrast(*inputs)
    first = torch.autograd.grad(loss, inputs[0], retain_graph=True)[0]
    second = torch.autograd.grad(loss, inputs[0])[0]
    assert torch.equal(first, second) and first.data_ptr() != second.data_ptr()


def test_each_shape_has_its_own__and_a_rare_one_has_none():
    contrast = GraphedContrast()
    recorded(contrast)
    for seed in range(FIRST_RECORDED_CALL - 1):
        inputs = batch(seed, images=4)
        loss = contrast(*inputs)
        assert_plain(loss, gradients(loss, inputs), inputs)
    assert len(contrast._recordings) == 1
    contrast(*batch(images=4))
    assert len(contrast._recordings) == 2


def test_no_more_than_so_many():
    contrast = GraphedContrast()
    for images in range(2, MAX_RECORDINGS + 5):
        for seed in range(FIRST_RECORDED_CALL + 1):
            inputs = batch(seed, images=images)
            loss = contrast(*inputs)
            assert_plain(loss, gradients(loss, inputs), inputs)
    assert len(contrast._recordings) == MAX_RECORDINGS


def test_prototypes_without_a_gradient():
    contrast = GraphedContrast()
    for seed in range(FIRST_RECORDED_CALL + 2):
        embeddings, labels, prototypes, counts = batch(seed)
        inputs = (embeddings, labels, prototypes.detach(), counts)
        loss = contrast(*inputs)
        found = torch.autograd.grad(loss, embeddings)[0]
        wanted = torch.autograd.grad(rebalanced_contrastive_loss(*inputs), embeddings)[0]
        torch.testing.assert_close(found, wanted)
    assert len(contrast._recordings) == 1


def test_what_is_not_recorded(monkeypatch):
    contrast = GraphedContrast()
    for _ in range(FIRST_RECORDED_CALL + 1):
        assert contrast(*batch(), reduction='none').shape == (12,)
        with torch.no_grad():
            contrast(*batch())
        contrast(*[x.detach() for x in batch()])
        contrast(*batch()[:3], COUNTS.tolist())
    monkeypatch.setattr(graphed_contrast, 'get_world_size', lambda: 2)
    for _ in range(FIRST_RECORDED_CALL + 1):
        contrast(*batch(), gather=True)
    assert not contrast._recordings


def wrong(run):
    outputs = run()
    return outputs, lambda: outputs[1].mul_(1.1)


def failing(run):
    raise RuntimeError('CUDA error: operation not permitted\nwhen stream is capturing')


@pytest.mark.parametrize(
    'record, reason', [(wrong, 'a replay differs'), (failing, 'operation not permitted')]
)
def test_a_recording_that_fails__says_so_once_and_goes_on(monkeypatch, record, reason):
    monkeypatch.setattr(graphed_contrast, 'record', record)
    contrast = GraphedContrast()
    with pytest.warns(RuntimeWarning, match=f'without a CUDA graph .*{reason}') as warned:
        for seed in range(FIRST_RECORDED_CALL + 3):
            inputs = batch(seed)
            loss = contrast(*inputs)
            assert_plain(loss, gradients(loss, inputs), inputs)
    assert len(warned) == 1


@pytest.mark.parametrize('copied', [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_records_anew(copied):
    """As of a model whose weights are averaged."""
    loss = RCLLoss(COUNTS.tolist(), compile='cuda-graph')
    recorded(loss._contrast)
    other = copied(loss)
    assert isinstance(other._contrast, GraphedContrast) and not other._contrast._recordings
