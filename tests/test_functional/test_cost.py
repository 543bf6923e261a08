"""What the loss costs: one traced graph, bounded extra memory, chunks that change nothing."""

import importlib.util
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from rcl_mm import balanced_contrast, key_terms
from rcl_mm.balanced_contrast import MEMORY_BUDGET, plan_rows
from rcl_mm.functional import balanced_softmax_loss, rebalanced_contrastive_loss

from .cases import COUNTS, make_batch

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
    [(512, 1000, 1024), (512, 8142, 256), (512, 10, 128), (512, 100, 1024), (2048, 1, 64)],
)
def test_extra_memory_is_below_one_and_a_half_matrices(peak_memory, anchors, classes, dimension):
    matrix = 4 * anchors * (anchors + classes)
    extra, kept = extra_bytes(peak_memory, long_tailed_batch(anchors, classes, dimension))
    assert extra <= 1.5 * matrix
    assert kept >= matrix  # the measurement does see the matrix


def test_extra_memory_above_the_budget_is_the_budget(peak_memory):
    """4096 x 12238 similarities are 191 MiB: three times the budget, and none of it is kept."""
    extra, kept = extra_bytes(peak_memory, long_tailed_batch(4096, 8142, 32))
    assert MEMORY_BUDGET / 2 < extra <= MEMORY_BUDGET
    assert kept < MEMORY_BUDGET / 50


def test_chunk_size_bounds_memory(peak_memory):
    batch = long_tailed_batch(1024, 2000, 32)
    extra, _ = extra_bytes(peak_memory, batch, chunk_size=128)
    assert extra <= 1.5 * (4 * 128 * 3024) + 2**18
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
    monkeypatch.setattr(balanced_contrast, 'MEMORY_BUDGET', 2**16)
    assert plan_rows(256, 556, 4) == 19
    chunked = rebalanced_contrastive_loss(*batch)
    torch.testing.assert_close(chunked, whole)
    for gradient, expected in zip(torch.autograd.grad(chunked, leaves), wanted):
        torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    'arguments, rows',
    [
        ((512, 8654, 4), 512),  # 17 MiB: kept
        ((32768, 65536, 4), 170),  # 170 * 65536 * 4 bytes * 1.5 = 64 MiB
        ((10, 10**9, 4), 1),
        ((100, 200, 4, 30), 30),
        ((100, 200, 4, 500), 100),
        ((0, 0, 4), 1),
    ],
)
def test_plan_rows(arguments, rows):
    assert plan_rows(*arguments) == rows


class Kernels(TorchDispatchMode):
    """Counts the operations that do not only look at memory in another way or allocate it."""

    NOT_KERNELS = ('empty', 'view', 'alias', 'detach')

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = operation.name().removeprefix('aten::')
        if not operation.is_view and not any(part in name for part in self.NOT_KERNELS):
            self.names.append(name)
        return operation(*args, **(kwargs or {}))


@pytest.mark.parametrize('classes', [1000, 8142])
def test_few_kernels(monkeypatch, classes):
    """On a GPU each costs a start, and starts are most of the loss's time (loss_notes.md)."""
    monkeypatch.setattr('rcl_mm.functional._check_label_values', lambda *_: None)  # CPU only
    batch = long_tailed_batch(512, classes, 16)
    with Kernels() as kernels:
        rebalanced_contrastive_loss(*batch).backward()
    assert len(kernels.names) <= 45, kernels.names
    assert sum('mm' in name for name in kernels.names) >= 6  # it does see the products


class TwoKernels:
    """Stands for the Triton kernels: shapes only, and no operation of torch."""

    MAX_KEYS = 8192

    @staticmethod
    def fused_key_terms(labels, classes, counts, prior_power, class_averaging, like):
        keys = len(labels)
        return like.new_empty(keys + classes), like.new_empty(keys), like.new_empty(keys)

    @staticmethod
    def score_rows(chunk, *_):
        return chunk.new_empty(len(chunk), 1)


def test_few_kernels_beside_the_two_of_a_gpu(monkeypatch):
    monkeypatch.setattr('rcl_mm.functional._check_label_values', lambda *_: None)
    for module in (balanced_contrast, key_terms):
        monkeypatch.setattr(module, 'kernels_for', lambda tensor: TwoKernels)
    batch = long_tailed_batch(512, 1000, 16)
    with Kernels() as kernels:
        rebalanced_contrastive_loss(*batch).backward()
    assert len(kernels.names) <= 10, kernels.names


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
