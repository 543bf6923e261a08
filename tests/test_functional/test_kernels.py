"""The loss's Triton kernels against its plain operations in float64.

On a GPU as they are; without one ``test_kernels_interpreted.py`` runs these tests in Triton's
interpreter, which executes the same kernels on the CPU, operation by operation.
"""

import os

import pytest
import torch
import torch.nn.functional as F

from rcl_mm import balanced_contrast, functional, key_terms
from rcl_mm.functional import rebalanced_contrastive_loss

from .cases import ABLATION, COUNTS, make_batch

INTERPRETED = os.environ.get('TRITON_INTERPRET') == '1'
DEVICE = 'cpu' if INTERPRETED else 'cuda'
if not INTERPRETED:
    pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def calls(monkeypatch):
    """The names of the kernels that were started; they must be the ones that serve."""
    from rcl_mm import contrast_kernels

    names = []
    for name in ('fused_key_terms', 'score_rows'):
        original = getattr(contrast_kernels, name)

        def counted(*args, name=name, original=original):
            names.append(name)
            return original(*args)

        monkeypatch.setattr(contrast_kernels, name, counted)
    if INTERPRETED:
        for module in (balanced_contrast, key_terms):
            monkeypatch.setattr(
                module,
                'kernels_for',
                lambda tensor: contrast_kernels if tensor.dtype == torch.float32 else None,
            )
    return names


def both(batch, counts, gather=False, **options):
    """Value and gradients in float32 by the kernels, and in float64 by plain operations."""
    results = []
    for device, dtype in ((DEVICE, torch.float32), ('cpu', torch.float64)):
        embeddings, labels, prototypes = batch
        leaves = [
            None if x is None else x.detach().to(device, dtype).requires_grad_()
            for x in (embeddings, prototypes)
        ]
        on_device = None if counts is None else counts.to(device)
        loss = rebalanced_contrastive_loss(
            leaves[0], labels.to(device), leaves[1], on_device, gather=gather, **options
        )
        weights = torch.linspace(0.1, 1, loss.numel(), device=device).view(loss.shape)
        wanted = [leaf for leaf in leaves if leaf is not None]
        gradients = torch.autograd.grad((loss * weights).sum(), wanted)
        results.append([loss.detach(), *gradients])
    return [[tensor.double().cpu() for tensor in result] for result in results]


def assert_same(results, tolerance=2e-6):
    """To float32 rounding of the largest number of each tensor."""
    for result, expected in zip(*results):
        largest = max(1.0, float(expected.abs().max()))
        torch.testing.assert_close(result, expected, rtol=1e-5, atol=tolerance * largest)


@pytest.mark.parametrize('row', ABLATION)
@pytest.mark.parametrize('chunk_size', [None, 4])
@pytest.mark.parametrize('reduction', ['mean', 'none'])
def test_every_row_of_the_ablation(row, chunk_size, reduction, calls):
    options, prototypes = ABLATION[row]
    counts = COUNTS if options['prior_power'] else None
    batch = make_batch(prototypes=prototypes)
    assert_same(both(batch, counts, chunk_size=chunk_size, reduction=reduction, **options))
    assert ('fused_key_terms' in calls) == prototypes and 'score_rows' in calls


@pytest.mark.parametrize('options', [dict(class_averaging=False), dict(prior_power=0.5)])
@pytest.mark.parametrize('prototypes', [True, False])
def test_other_settings(options, prototypes, calls):
    assert_same(both(make_batch(prototypes=prototypes), COUNTS, **options))
    assert calls


def test_more_columns_than_a_block__and_a_count_per_block(monkeypatch, calls):
    from rcl_mm import contrast_kernels

    monkeypatch.setattr(contrast_kernels, '_BLOCK', 16)
    batch = make_batch(images=45, num_classes=30, dimension=5)
    assert_same(both(batch, torch.arange(30) ** 2 + 1))
    assert calls == ['fused_key_terms', 'score_rows']


def test_a_long_tailed_batch(calls):
    generator = torch.Generator().manual_seed(0)
    counts = (1280 * 256.0 ** (-torch.arange(50) / 49)).long()
    labels = torch.multinomial(counts.double(), 40, True, generator=generator).repeat(2)
    embeddings, prototypes = (
        F.normalize(torch.randn(rows, 16, generator=generator, dtype=torch.float64), dim=1)
        for rows in (80, 50)
    )
    assert_same(both((embeddings, labels, prototypes), counts, feature_scale=1.6))
    assert calls


@pytest.mark.parametrize('prototypes', [True, False])
@pytest.mark.parametrize('rank', [0, 1])
def test_keys_of_two_ranks_with_padding(monkeypatch, rank, prototypes, calls):
    """As ``gather_embeddings`` gives them, the other rank's as constants; rank 1 has fewer rows."""
    others = make_batch(images=4, seed=1)
    batch = make_batch(images=4 if rank == 0 else 3, prototypes=prototypes)

    def gathered(embeddings, labels):
        missing = 8 - len(labels)
        parts = [
            (F.pad(embeddings, (0, 0, 0, missing)), F.pad(labels, (0, missing), value=-1)),
            (others[0].detach().to(embeddings), others[1].to(labels)),
        ]
        if rank:
            parts.reverse()
        embeddings, labels = (torch.cat(tensors) for tensors in zip(*parts))
        return embeddings, labels, rank * 8, 2

    monkeypatch.setattr(functional, 'gather_embeddings', gathered)
    assert_same(both(batch, COUNTS, gather=True))
    assert calls == ['score_rows']


@pytest.mark.parametrize('images, views', [(1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize('prototypes', [True, False])
def test_anchors_without_positives_or_keys(images, views, prototypes, calls):
    batch = make_batch(images=images, views=views, prototypes=prototypes)
    assert_same(both(batch, COUNTS))
    assert calls


def test_similarities_of_a_thousand(calls):
    """Far beyond what exp can take; rounding in float32 is 6e-5 of them."""
    assert_same(both(make_batch(), COUNTS, temperature=0.001), tolerance=1e-4)
    assert calls


def test_a_class_of_no_image_takes_no_part(calls):
    counts = COUNTS.clone()
    embeddings, labels, prototypes = make_batch()
    labels, counts[5] = labels % 5, 0
    assert_same(both((embeddings, labels, prototypes), counts))
    assert calls


@pytest.mark.parametrize('label', [-100, 6])
def test_a_label_without_a_class_is_not_a_number(label, calls, monkeypatch):
    """On the CPU an error says so; a GPU does not wait for it, and ``FiniteLossHook`` stops."""
    monkeypatch.setattr(functional, '_check_label_values', lambda *_: None)
    embeddings, labels, prototypes = (x.detach() for x in make_batch(dtype=torch.float32))
    labels[3] = label
    tensors = (x.to(DEVICE) for x in (embeddings, labels, prototypes, COUNTS))
    assert rebalanced_contrastive_loss(*tensors).isnan()
    assert calls


def test_two_backward_passes(calls):
    """The kept matrix stays as it is."""
    embeddings, labels, prototypes = make_batch(dtype=torch.float32)
    leaf = embeddings.detach().to(DEVICE).requires_grad_()
    loss = rebalanced_contrastive_loss(
        leaf, labels.to(DEVICE), prototypes.detach().to(DEVICE), COUNTS.to(DEVICE)
    )
    first = torch.autograd.grad(loss, leaf, retain_graph=True)[0]
    second = torch.autograd.grad(loss, leaf)[0]
    assert torch.equal(first, second) and first.abs().sum() > 0
    assert calls
