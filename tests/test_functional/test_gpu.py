"""On a CUDA device: the same numbers as on the CPU, no wait for the device, one compiled graph."""

import pytest
import torch

from rcl_mm.functional import balanced_softmax_loss, rebalanced_contrastive_loss

from .cases import ABLATION, COUNTS, counts_for, make_batch

pytestmark = pytest.mark.gpu


def on_gpu(batch, dtype=torch.float32):
    embeddings, labels, prototypes = batch
    leaves = [
        None if x is None else x.detach().to('cuda', dtype).requires_grad_()
        for x in (embeddings, prototypes)
    ]
    return leaves[0], labels.cuda(), leaves[1]


def gradients_of(loss, *leaves):
    return torch.autograd.grad(loss, [leaf for leaf in leaves if leaf is not None])


@pytest.fixture
def no_waiting():
    """Any operation that makes the host wait for the device raises inside the test."""
    yield lambda: torch.cuda.set_sync_debug_mode('error')
    torch.cuda.set_sync_debug_mode('default')


@pytest.mark.parametrize('row', ABLATION)
@pytest.mark.parametrize('chunk_size', [None, 4])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_equals_cpu(row, chunk_size, dtype):
    options, prototypes = ABLATION[row]
    batch = make_batch(prototypes=prototypes)
    counts = counts_for(options)
    expected = rebalanced_contrastive_loss(*batch, counts, **options)
    wanted = gradients_of(expected, batch[0], batch[2])
    moved = on_gpu(batch, dtype)
    counts = None if counts is None else counts.cuda()
    loss = rebalanced_contrastive_loss(*moved, counts, chunk_size=chunk_size, **options)
    tolerance = (
        dict(rtol=1e-10, atol=1e-10) if dtype == torch.float64 else dict(rtol=1e-4, atol=1e-5)
    )
    torch.testing.assert_close(loss.double().cpu(), expected, **tolerance)
    for gradient, reference in zip(gradients_of(loss, moved[0], moved[2]), wanted):
        torch.testing.assert_close(gradient.double().cpu(), reference, **tolerance)


@pytest.mark.parametrize('row', ABLATION)
@pytest.mark.parametrize('chunk_size', [None, 4])
@pytest.mark.parametrize('reduction', ['mean', 'none'])
def test_forward_and_backward_never_wait(row, chunk_size, reduction, no_waiting):
    options, prototypes = ABLATION[row]
    embeddings, labels, centres = on_gpu(make_batch(prototypes=prototypes))
    counts = COUNTS.cuda()
    scores = torch.randn(len(labels), len(COUNTS), device='cuda', requires_grad=True)
    torch.cuda.synchronize()
    no_waiting()
    with torch.autocast('cuda', dtype=torch.bfloat16):
        loss = rebalanced_contrastive_loss(
            embeddings,
            labels,
            centres,
            counts,
            chunk_size=chunk_size,
            reduction=reduction,
            **options,
        ).sum()
        loss = loss + balanced_softmax_loss(scores, labels, counts)
    loss.backward()
    torch.cuda.set_sync_debug_mode('default')
    assert loss.isfinite() and embeddings.grad.isfinite().all()


def test_the_guard_does_catch_a_wait(no_waiting):
    value = torch.ones(1, device='cuda')
    no_waiting()
    with pytest.raises(RuntimeError, match='synchroniz'):
        value.item()


@pytest.mark.parametrize('prototypes', [True, False])
@pytest.mark.parametrize('backend', ['aot_eager', 'inductor'])
def test_compiles_into_one_graph(prototypes, backend):
    embeddings, labels, centres = on_gpu(make_batch(images=32, prototypes=prototypes))
    counts = COUNTS.cuda()
    torch._dynamo.reset()
    compiled = torch.compile(rebalanced_contrastive_loss, fullgraph=True, backend=backend)
    loss = compiled(embeddings, labels, centres, counts)
    expected = rebalanced_contrastive_loss(embeddings, labels, centres, counts)
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)
    wanted = gradients_of(expected, embeddings, centres)
    for gradient, reference in zip(gradients_of(loss, embeddings, centres), wanted):
        torch.testing.assert_close(gradient, reference, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize('classes, dimension', [(1000, 1024), (8142, 256), (10, 128)])
def test_extra_memory_is_below_three_and_a_half_matrices(classes, dimension):
    anchors = 512
    embeddings = torch.randn(anchors, dimension, device='cuda', requires_grad=True)
    prototypes = torch.randn(classes, dimension, device='cuda', requires_grad=True)
    labels = torch.randint(classes, (anchors,), device='cuda')
    counts = torch.arange(1, classes + 1, device='cuda')
    matrix = 4 * anchors * (anchors + classes)
    gradients = 4 * (anchors + classes) * dimension

    def step():
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        loss = rebalanced_contrastive_loss(embeddings, labels, prototypes, counts)
        forward = torch.cuda.max_memory_allocated() - before
        torch.cuda.reset_peak_memory_stats()
        torch.autograd.grad(loss, (embeddings, prototypes))
        return max(forward, torch.cuda.max_memory_allocated() - before - gradients)

    step()  # library workspaces are made at the first call
    assert step() <= 3.5 * matrix + 2**21  # sort and cuBLAS round up by less than 2 MiB
