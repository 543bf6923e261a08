"""Each consequence that the method page draws from the equation, on random batches."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from rcl_mm.functional import balanced_softmax_loss, rebalanced_contrastive_loss

from .cases import COUNTS, NUM_CLASSES, make_batch

seeds = st.integers(0, 10**6)
few_examples = settings(max_examples=25, deadline=None)


def loss_of(batch, counts=COUNTS, **options):
    return rebalanced_contrastive_loss(*batch, counts, **options)


@few_examples
@given(seed=seeds, factor=st.floats(1e-3, 1e3), prior_power=st.floats(0.1, 3))
def test_one_factor_on_all_counts_changes_nothing(seed, factor, prior_power):
    batch = make_batch(seed=seed)
    plain = loss_of(batch, COUNTS.double(), prior_power=prior_power)
    scaled = loss_of(batch, COUNTS.double() * factor, prior_power=prior_power)
    torch.testing.assert_close(plain, scaled, rtol=1e-10, atol=1e-10)


@few_examples
@given(seed=seeds, prototypes=st.booleans())
def test_permutation_of_batch_views_and_classes(seed, prototypes):
    images, views = 6, 3
    embeddings, labels, centres = make_batch(images, views, seed=seed, prototypes=prototypes)
    generator = torch.Generator().manual_seed(seed)
    plain = rebalanced_contrastive_loss(embeddings, labels, centres, COUNTS, reduction='none')

    rows = torch.randperm(len(labels), generator=generator)
    permuted = rebalanced_contrastive_loss(
        embeddings[rows], labels[rows], centres, COUNTS, reduction='none'
    )
    torch.testing.assert_close(permuted, plain[rows])

    view_order = torch.randperm(views, generator=generator)
    by_view = embeddings.view(views, images, -1)[view_order].flatten(0, 1)
    permuted = rebalanced_contrastive_loss(by_view, labels, centres, COUNTS, reduction='none')
    torch.testing.assert_close(permuted, plain.view(views, images)[view_order].flatten())

    classes = torch.randperm(NUM_CLASSES, generator=generator)  # classes[new] = old
    new_labels = classes.argsort()[labels]
    new_centres = None if centres is None else centres[classes]
    permuted = rebalanced_contrastive_loss(
        embeddings, new_labels, new_centres, COUNTS[classes], reduction='none'
    )
    torch.testing.assert_close(permuted, plain)


@few_examples
@given(seed=seeds)
def test_prior_power_zero_is_balanced_contrastive_learning(seed):
    """BCL as its paper writes it: sum over classes of the class's mean exponential."""
    embeddings, labels, prototypes = make_batch(seed=seed)
    keys, key_labels = torch.cat([embeddings, prototypes]), torch.cat([labels, torch.arange(6)])
    similarity = (embeddings @ keys.T / 0.1).fill_diagonal_(-torch.inf)
    member = F.one_hot(key_labels, NUM_CLASSES).double()
    sizes = member.sum(0) - F.one_hot(labels, NUM_CLASSES)
    denominator = (similarity.exp() @ member / sizes).sum(1)
    positive = (labels[:, None] == key_labels).double()
    positive[torch.arange(len(labels)), torch.arange(len(labels))] = 0
    log_share = similarity.masked_fill(positive == 0, 0) - denominator.log()[:, None]
    expected = -((positive * log_share).sum(1) / positive.sum(1)).mean()
    torch.testing.assert_close(loss_of((embeddings, labels, prototypes), prior_power=0), expected)


@few_examples
@given(seed=seeds)
def test_no_prior_no_averaging_no_prototypes_is_supcon_out(seed):
    """Khosla et al. 2020, equation 2 (the sum over positives outside the logarithm)."""
    embeddings, labels, _ = make_batch(seed=seed, prototypes=False)
    similarity = (embeddings @ embeddings.T / 0.1).fill_diagonal_(-torch.inf)
    log_probability = F.log_softmax(similarity, dim=1)
    positive = (labels[:, None] == labels).fill_diagonal_(False)
    expected = -log_probability.masked_fill(~positive, 0).sum(1) / positive.sum(1)
    value = rebalanced_contrastive_loss(embeddings, labels, prior_power=0, class_averaging=False)
    torch.testing.assert_close(value, expected.mean())


@few_examples
@given(seed=seeds, prior_power=st.floats(0, 4), count=st.integers(1, 10**6))
def test_equal_counts_give_bcl_at_any_prior_power(seed, prior_power, count):
    batch = make_batch(seed=seed)
    equal = torch.full((NUM_CLASSES,), count)
    torch.testing.assert_close(
        loss_of(batch, equal, prior_power=prior_power), loss_of(batch, None, prior_power=0)
    )


@few_examples
@given(seed=seeds, scale=st.floats(0.2, 3), temperature=st.floats(0.05, 2))
def test_feature_scale_is_a_temperature(seed, scale, temperature):
    batch = make_batch(seed=seed)
    scaled = loss_of(batch, feature_scale=scale, temperature=temperature)
    torch.testing.assert_close(scaled, loss_of(batch, temperature=temperature / scale**2))


@few_examples
@given(seed=seeds, class_averaging=st.booleans())
def test_prototypes_alone_as_keys_is_balanced_softmax(seed, class_averaging):
    """One anchor at a time: then the only keys are the prototypes."""
    embeddings, labels, prototypes = make_batch(images=4, views=1, seed=seed)
    alone = torch.cat(
        [
            rebalanced_contrastive_loss(
                row[None],
                label[None],
                prototypes,
                COUNTS,
                class_averaging=class_averaging,
                reduction='none',
            )
            for row, label in zip(embeddings, labels)
        ]
    )
    scores = embeddings @ prototypes.T / 0.1
    expected = balanced_softmax_loss(scores, labels, COUNTS, reduction='none')
    torch.testing.assert_close(alone, expected)


@few_examples
@given(seed=seeds, anchor=st.integers(0, 9))
def test_counts_in_proportion_to_the_keys_undo_the_class_averaging(seed, anchor):
    """Then it is SupCon's softmax over the same keys, up to a constant without a gradient."""
    embeddings, labels, prototypes = make_batch(images=5, views=2, seed=seed)
    embeddings.requires_grad_()
    sizes = torch.bincount(labels, minlength=NUM_CLASSES) + 1  # the prototype is a key, too
    sizes[labels[anchor]] -= 1  # the anchor is not
    keys = (embeddings, labels, prototypes)
    rebalanced = rebalanced_contrastive_loss(*keys, 7 * sizes, reduction='none')[anchor]
    summed = rebalanced_contrastive_loss(
        *keys, prior_power=0, class_averaging=False, reduction='none'
    )[anchor]
    torch.testing.assert_close(rebalanced, summed - sizes[labels[anchor]].log())
    gradients = [torch.autograd.grad(loss, embeddings)[0] for loss in (rebalanced, summed)]
    torch.testing.assert_close(*gradients)


def test_anchor_without_positive_is_left_out_of_the_mean():
    embeddings, _, _ = make_batch(images=5, views=1, prototypes=False)
    labels = torch.tensor([0, 0, 1, 2, 2])
    options = dict(class_counts=COUNTS)
    each = rebalanced_contrastive_loss(embeddings, labels, reduction='none', **options)
    assert each[2] == 0 and (each[[0, 1, 3, 4]] > 0).all()
    mean = rebalanced_contrastive_loss(embeddings, labels, **options)
    torch.testing.assert_close(mean, each.sum() / 4)
    # As an anchor it counts for nothing; as a key of the others it still has a gradient.
    (gradient,) = torch.autograd.grad(each[2], embeddings, retain_graph=True)
    assert not gradient.any()
    (gradient,) = torch.autograd.grad(mean, embeddings)
    assert gradient[2].any() and gradient.isfinite().all()


@pytest.mark.parametrize('rows', [0, 1, 4])
@pytest.mark.parametrize('class_averaging', [True, False])
@pytest.mark.parametrize('chunk_size', [None, 2])
def test_batch_without_any_positive_gives_zero_with_zero_gradient(
    rows, class_averaging, chunk_size
):
    embeddings, _, _ = make_batch(images=rows, views=1, prototypes=False)
    loss = rebalanced_contrastive_loss(
        embeddings,
        torch.arange(rows),
        class_counts=COUNTS,
        class_averaging=class_averaging,
        chunk_size=chunk_size,
    )
    loss.backward()
    assert loss == 0 and torch.equal(embeddings.grad, torch.zeros_like(embeddings))


@few_examples
@given(
    head=st.integers(100, 10**5),
    tail=st.integers(1, 99),
    prior_power=st.floats(0.1, 2),
    similarity=st.floats(-0.9, 0.9),
)
def test_margin_of_a_tail_anchor_grows_by_the_log_ratio_of_counts(
    head, tail, prior_power, similarity
):
    """Two classes, one anchor of the tail class: L = log(1 + exp(s_head - s_own + margin))."""
    temperature = 0.5
    anchor = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    other = [similarity, math.sqrt(1 - similarity**2)]
    prototypes = torch.tensor([other, [0.0, 1.0]], dtype=torch.float64)
    value = rebalanced_contrastive_loss(
        anchor,
        torch.tensor([1]),
        prototypes,
        torch.tensor([head, tail]),
        temperature=temperature,
        prior_power=prior_power,
    )
    margin = prior_power * math.log(head / tail)
    expected = F.softplus(torch.tensor(similarity / temperature + margin, dtype=torch.float64))
    torch.testing.assert_close(value, expected)


@few_examples
@given(seed=seeds)
def test_class_averaging_ignores_copies_of_the_other_classes(seed):
    """A class that is there twice as often weighs the same: each of its keys counts half."""
    embeddings, labels, prototypes = make_batch(images=5, views=1, seed=seed)
    embeddings, labels = embeddings[labels > 0].detach(), labels[labels > 0]
    own = F.normalize(torch.ones(1, embeddings.shape[1], dtype=torch.float64))
    # Class 0 is the anchor's; the keys of the others are copied together with their prototypes'
    # weight: without prototypes a copy changes nothing at all.
    pair = torch.cat([own, own.roll(1, 1) * 0.5 + own * 0.5])
    once = torch.cat([pair, embeddings]), torch.cat([torch.tensor([0, 0]), labels])
    twice = torch.cat([once[0], embeddings]), torch.cat([once[1], labels])
    losses = [
        rebalanced_contrastive_loss(*batch, None, COUNTS, reduction='none')[:2]
        for batch in (once, twice)
    ]
    torch.testing.assert_close(*losses)
    summed = [
        rebalanced_contrastive_loss(*batch, None, COUNTS, reduction='none', class_averaging=False)[
            :2
        ]
        for batch in (once, twice)
    ]
    if len(labels):
        assert (summed[1] > summed[0]).all()
