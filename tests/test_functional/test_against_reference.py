"""Value and gradients against the double loop, for every row of the ablation table."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rcl_mm.functional import rebalanced_contrastive_loss

from .cases import ABLATION, COUNTS, counts_for, make_batch
from .reference import naive_loss

TOLERANCE = {torch.float64: 1e-12, torch.float32: 3e-6}


def value_and_gradients(function, embeddings, labels, prototypes, *args, **kwargs):
    leaves = [x.detach().requires_grad_() for x in (embeddings, prototypes) if x is not None]
    given_prototypes = leaves[1] if prototypes is not None else None
    value = function(leaves[0], labels, given_prototypes, *args, **kwargs)
    weights = torch.arange(1, value.numel() + 1, dtype=value.dtype).reshape(value.shape)
    return value.detach(), torch.autograd.grad((value * weights).sum(), leaves)


def assert_agrees(batch, counts, tolerance, options, **library_options):
    value, gradients = value_and_gradients(
        rebalanced_contrastive_loss, *batch, counts, **options, **library_options
    )
    expected, expected_gradients = value_and_gradients(naive_loss, *batch, counts, **options)
    torch.testing.assert_close(value.double(), expected, rtol=tolerance, atol=tolerance)
    for gradient, wanted in zip(gradients, expected_gradients):
        scale = float(wanted.abs().max().clamp(min=1))
        torch.testing.assert_close(
            gradient.double(), wanted.double(), rtol=10 * tolerance, atol=10 * tolerance * scale
        )


@pytest.mark.parametrize('row', ABLATION)
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
@pytest.mark.parametrize('reduction', ['mean', 'sum', 'none'])
def test_ablation_row(row, dtype, reduction):
    options, prototypes = ABLATION[row]
    batch = make_batch(dtype=dtype, prototypes=prototypes)
    options = dict(options, temperature=0.2, reduction=reduction)
    assert_agrees(batch, counts_for(options), TOLERANCE[dtype], options)


@pytest.mark.parametrize('row', ABLATION)
@pytest.mark.parametrize('chunk_size', [1, 4, 13])
def test_ablation_row__computed_again_in_chunks(row, chunk_size):
    options, prototypes = ABLATION[row]
    batch = make_batch(prototypes=prototypes)
    assert_agrees(batch, counts_for(options), 1e-12, options, chunk_size=chunk_size)


@pytest.mark.parametrize('row', ABLATION)
def test_ablation_row__under_bf16_autocast(row):
    """Inputs of bfloat16 lose digits before the loss, not in it: it computes in float32."""
    options, prototypes = ABLATION[row]
    embeddings, labels, centres = make_batch(dtype=torch.bfloat16, prototypes=prototypes)
    counts = counts_for(options)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        value, gradients = value_and_gradients(
            rebalanced_contrastive_loss, embeddings, labels, centres, counts, **options
        )
    expected, expected_gradients = value_and_gradients(
        naive_loss, embeddings, labels, centres, counts, **options
    )
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), expected, rtol=3e-6, atol=3e-6)
    for gradient, wanted in zip(gradients, expected_gradients):
        assert gradient.dtype == torch.bfloat16
        # Both gradients end in bfloat16 (8 bits): they may round to neighbours.
        torch.testing.assert_close(gradient.float(), wanted.float(), rtol=2**-7, atol=1e-4)


def test_float32_input_under_autocast_equals_without():
    embeddings, labels, prototypes = make_batch(dtype=torch.float32)
    arguments = (embeddings, labels, prototypes, COUNTS)
    plain, plain_gradients = value_and_gradients(rebalanced_contrastive_loss, *arguments)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        value, gradients = value_and_gradients(rebalanced_contrastive_loss, *arguments)
    assert torch.equal(value, plain)
    assert all(map(torch.equal, gradients, plain_gradients))


@settings(max_examples=40, deadline=None)
@given(
    images=st.integers(1, 5),
    views=st.integers(1, 3),
    num_classes=st.integers(1, 5),
    prototypes=st.booleans(),
    class_averaging=st.booleans(),
    prior_power=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    temperature=st.floats(0.05, 5),
    feature_scale=st.floats(0.3, 2),
    prototype_scale=st.none() | st.floats(0.3, 2),
    chunk_size=st.sampled_from([None, 1, 3]),
    reduction=st.sampled_from(['mean', 'sum', 'none']),
    seed=st.integers(0, 10**6),
)
def test_any_setting(
    images, views, num_classes, prototypes, class_averaging, prior_power, seed, chunk_size, **rest
):
    batch = make_batch(images, views, 4, num_classes, seed, prototypes=prototypes)
    counts = torch.randint(1, 999, (num_classes,), generator=torch.Generator().manual_seed(seed))
    options = dict(prior_power=prior_power, class_averaging=class_averaging, **rest)
    assert_agrees(batch, counts, 1e-9, options, chunk_size=chunk_size)


@pytest.mark.parametrize('row', ABLATION)
@pytest.mark.parametrize('chunk_size', [None, 3])
def test_gradcheck(row, chunk_size):
    options, prototypes = ABLATION[row]
    embeddings, labels, centres = make_batch(images=3, dimension=4, prototypes=prototypes)
    leaves = (embeddings,) if centres is None else (embeddings, centres)

    def loss(embeddings, centres=None):
        return rebalanced_contrastive_loss(
            embeddings, labels, centres, counts_for(options), chunk_size=chunk_size, **options
        )

    assert torch.autograd.gradcheck(loss, leaves)


def test_backward_twice_gives_the_same_gradient():
    """retain_graph is allowed: the saved matrix must not be used up by the first pass."""
    embeddings, labels, prototypes = make_batch()
    loss = rebalanced_contrastive_loss(embeddings, labels, prototypes, COUNTS)
    first = torch.autograd.grad(loss, (embeddings, prototypes), retain_graph=True)
    second = torch.autograd.grad(loss, (embeddings, prototypes))
    assert all(map(torch.equal, first, second))


@pytest.mark.parametrize('chunk_size', [None, 3])
def test_gradient_only_where_it_is_asked_for(chunk_size):
    embeddings, labels, prototypes = make_batch()
    arguments = (labels, prototypes.detach(), COUNTS)
    loss = rebalanced_contrastive_loss(embeddings, *arguments, chunk_size=chunk_size)
    (only_embeddings,) = torch.autograd.grad(loss, embeddings)
    both = rebalanced_contrastive_loss(embeddings, labels, prototypes, COUNTS)
    wanted, prototypes_wanted = torch.autograd.grad(both, (embeddings, prototypes))
    torch.testing.assert_close(only_embeddings, wanted)
    loss = rebalanced_contrastive_loss(
        embeddings.detach(), labels, prototypes, COUNTS, chunk_size=chunk_size
    )
    (only_prototypes,) = torch.autograd.grad(loss, prototypes)
    torch.testing.assert_close(only_prototypes, prototypes_wanted)


def test_inputs_are_left_as_they_were():
    embeddings, labels, prototypes = make_batch()
    before = [x.detach().clone() for x in (embeddings, labels, prototypes, COUNTS)]
    rebalanced_contrastive_loss(embeddings, labels, prototypes, COUNTS).backward()
    after = (embeddings, labels, prototypes, COUNTS)
    assert all(torch.equal(old, new.detach()) for old, new in zip(before, after))
