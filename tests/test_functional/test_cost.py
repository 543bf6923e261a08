"""What the loss costs: one traced graph, bounded extra memory, chunks that change nothing."""

import importlib.util
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from rcl_mm.functional import balanced_softmax_loss, rebalanced_contrastive_loss
from rcl_mm.ops import contrast
from rcl_mm.ops.contrast import MEMORY_BUDGET, anchors_per_block

from .cases import ABLATION, COUNTS, make_batch

MEASURING = Path(__file__).parents[2] / 'tools' / 'benchmarks' / 'measuring.py'


@pytest.fixture(scope='module')
def peak_memory():
    """The benchmarks' own measurement of bytes at the peak, from a profiler trace."""
    spec = importlib.util.spec_from_file_location('measuring', MEASURING)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.peak_memory


def long_tailed_batch(anchors, classes, dimension):
    generator = torch.Generator().manual_seed(0)
    embeddings = F.normalize(torch.randn(anchors, dimension, generator=generator), dim=1)
    prototypes = F.normalize(torch.randn(classes, dimension, generator=generator), dim=1)
    counts = (1280 * 256.0 ** (-torch.arange(classes) / classes)).long() + 1
    labels = torch.multinomial(counts.double(), anchors, True, generator=generator)
    return embeddings.requires_grad_(), labels, prototypes.requires_grad_(), counts


def extra_bytes(peak_memory, batch, **options):
    """Peak beside inputs and the gradients themselves, in either pass; and what forward keeps."""
    leaves = (batch[0], batch[2])
    forward_peak, kept, loss = peak_memory(lambda: rebalanced_contrastive_loss(*batch, **options))
    backward_peak, _, gradients = peak_memory(lambda: torch.autograd.grad(loss, leaves))
    gradient_bytes = sum(gradient.nbytes for gradient in gradients)
    return max(forward_peak, kept + backward_peak - gradient_bytes), kept


@pytest.mark.parametrize(
    'anchors, classes, dimension',
    [(512, 1000, 1024), (512, 8142, 1024), (512, 10, 128), (512, 100, 1024), (2000, 10, 64)],
)
def test_extra_memory_of_a_kept_matrix_is_below_three_and_a_half(
    peak_memory, anchors, classes, dimension
):
    matrix = 4 * anchors * (anchors + classes)
    extra, kept = extra_bytes(peak_memory, long_tailed_batch(anchors, classes, dimension))
    assert extra <= min(3.5 * matrix, MEMORY_BUDGET)
    assert kept >= matrix  # the measurement does see the matrix


@pytest.mark.parametrize('dimension', [16, 256])
def test_extra_memory_above_the_budget_is_the_budget(peak_memory, dimension):
    """8192 x 16334 similarities are 510 MiB: eight times the budget, and none of it is kept."""
    extra, kept = extra_bytes(peak_memory, long_tailed_batch(8192, 8142, dimension))
    assert MEMORY_BUDGET / 2 < extra <= MEMORY_BUDGET
    assert kept < MEMORY_BUDGET / 50


def test_chunk_size_bounds_memory(peak_memory):
    batch = long_tailed_batch(1024, 2000, 32)
    extra, _ = extra_bytes(peak_memory, batch, chunk_size=128)
    assert extra <= 3.5 * (4 * 128 * 3024) + 2**18
    whole, _ = extra_bytes(peak_memory, batch)
    assert extra < whole / 5


def test_nothing_is_kept_without_gradients(peak_memory):
    batch = long_tailed_batch(512, 1000, 64)
    with torch.no_grad():
        _, kept, _ = peak_memory(lambda: rebalanced_contrastive_loss(*batch))
    assert kept < 2**10


def test_chunks_above_the_budget_give_the_same_value_and_gradients(monkeypatch):
    batch = long_tailed_batch(256, 300, 48)
    leaves = (batch[0], batch[2])
    whole = rebalanced_contrastive_loss(*batch)
    wanted = torch.autograd.grad(whole, leaves)
    monkeypatch.setattr(contrast, 'MEMORY_BUDGET', 2**16)
    assert anchors_per_block(256, 556, 4, None) == 8
    chunked = rebalanced_contrastive_loss(*batch)
    torch.testing.assert_close(chunked, whole)
    for gradient, expected in zip(torch.autograd.grad(chunked, leaves), wanted):
        torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    'arguments, rows',
    [
        ((512, 8654, 4, None), 512),  # 17 MiB: kept
        ((32768, 65536, 4, None), 73),  # 73 * 65536 * 4 bytes * 3.5 = 64 MiB
        ((10, 10**9, 4, None), 1),
        ((100, 200, 4, 30), 30),
        ((100, 200, 4, 500), 100),
        ((0, 0, 4, None), 1),
    ],
)
def test_anchors_per_block(arguments, rows):
    assert anchors_per_block(*arguments) == rows


class NoWaiting(TorchDispatchMode):
    """Refuses operations that bring a number or a shape from the device to the host."""

    WAITING = ('_local_scalar_dense', 'nonzero', 'masked_select', 'unique', 'bincount', 'equal')

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = operation.overloadpacket.__name__
        self.seen.add(name)
        masks = args[1] if name.startswith('index') and len(args) > 1 else ()
        masks = masks if isinstance(masks, (list, tuple)) else ()
        assert not any(name.startswith(waiting) for waiting in self.WAITING), name
        assert not any(mask is not None and mask.dtype == torch.bool for mask in masks), name
        return operation(*args, **(kwargs or {}))


class TestNoWaiting:
    @pytest.mark.parametrize('row', ABLATION)
    @pytest.mark.parametrize('chunk_size', [None, 4])
    def test_forward_and_backward(self, monkeypatch, row, chunk_size):
        """The values of labels are looked at on the CPU only: that check is off here."""
        monkeypatch.setattr('rcl_mm.functional._check_label_values', lambda *_: None)
        options, prototypes = ABLATION[row]
        embeddings, labels, centres = make_batch(prototypes=prototypes)
        scores = torch.randn(len(labels), len(COUNTS), requires_grad=True)
        with NoWaiting() as mode:
            loss = rebalanced_contrastive_loss(
                embeddings, labels, centres, COUNTS, chunk_size=chunk_size, **options
            )
            (loss + balanced_softmax_loss(scores, labels, COUNTS)).backward()
        assert {'addmm_', 'where', 'sort'} <= mode.seen

    @pytest.mark.parametrize(
        'wait',
        [lambda x: x.sum().item(), lambda x: x[x > 0], lambda x: x.nonzero(), lambda x: bool(x[0])],
    )
    def test_the_guard_does_catch_a_wait(self, wait):
        with NoWaiting(), pytest.raises(AssertionError):
            wait(torch.ones(3))


@pytest.mark.parametrize('chunk_size, prototypes', [(None, True), (7, True), (None, False)])
def test_compiles_into_one_graph(chunk_size, prototypes):
    """fullgraph=True raises at the first graph break."""

    def loss_of(embeddings, labels, centres, scores):
        contrastive = rebalanced_contrastive_loss(
            embeddings, labels, centres, COUNTS, chunk_size=chunk_size
        )
        return contrastive + balanced_softmax_loss(scores, labels, COUNTS)

    embeddings, labels, centres = make_batch(dtype=torch.float32, prototypes=prototypes)
    scores = torch.randn(len(labels), len(COUNTS), requires_grad=True)
    leaves = [x for x in (embeddings, centres, scores) if x is not None]
    torch._dynamo.reset()
    compiled = torch.compile(loss_of, fullgraph=True, backend='aot_eager')
    arguments = (embeddings, labels, centres, scores)
    loss, expected = compiled(*arguments), loss_of(*arguments)
    torch.testing.assert_close(loss, expected)
    for gradient, wanted in zip(
        torch.autograd.grad(loss, leaves), torch.autograd.grad(expected, leaves)
    ):
        torch.testing.assert_close(gradient, wanted)
