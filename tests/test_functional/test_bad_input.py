"""Each mistake gets one line: what was given, what is allowed, what to do."""

import pytest
import torch

from rcl_mm.functional import balanced_softmax_loss, rebalanced_contrastive_loss

from .cases import COUNTS, make_batch

EMBEDDINGS, LABELS, PROTOTYPES = make_batch()


def contrastive(**changes):
    arguments = dict(
        embeddings=EMBEDDINGS, labels=LABELS, prototypes=PROTOTYPES, class_counts=COUNTS
    )
    return rebalanced_contrastive_loss(**{**arguments, **changes})


def zero_for_a_present_class():
    counts = COUNTS.clone()
    counts[LABELS[0]] = 0
    return counts


CONTRASTIVE = {
    'labels_too_large': (dict(labels=LABELS + 4), r'labels run from \d+ to \d+, allowed is 0..5'),
    'labels_negative': (dict(labels=LABELS - 3), r'labels run from -\d to \d, allowed is 0..5'),
    'labels_negative_without_classes': (
        dict(labels=LABELS - 9, prototypes=None, class_counts=None, prior_power=0),
        'allowed is at least 0',
    ),
    'labels_beyond_counts': (
        dict(labels=LABELS + 6, prototypes=None),
        'allowed is 0..5',
    ),
    'counts_too_short': (
        dict(class_counts=COUNTS[:-1]),
        'class_counts has 5 entries, but the prototypes have 6 classes: give one count per class',
    ),
    'counts_too_long': (dict(class_counts=torch.ones(7)), 'class_counts has 7 entries'),
    'count_zero': (
        dict(class_counts=zero_for_a_present_class()),
        r'is in the batch, but class_counts\[\d\] is 0: .* training set',
    ),
    'counts_unknown': (
        dict(class_counts=None),
        r'class_counts are unknown.*class_counts=\[.*JSON.*ClassCountsHook',
    ),
    'soft_labels': (
        dict(labels=torch.rand(len(LABELS), 6)),
        r'no soft labels \(no mixup or cutmix\)',
    ),
    'soft_labels_one_dimension': (dict(labels=LABELS.double()), 'no soft labels'),
    'labels_of_another_length': (
        dict(labels=LABELS[:7]),
        r'labels must be integers of shape \(14,\), got torch.int64 of shape \(7,\)',
    ),
    'views_not_stacked': (
        dict(embeddings=EMBEDDINGS.view(2, 7, 8)),
        r'embeddings must have shape \(M, D\), got \(2, 7, 8\)',
    ),
    'prototypes_of_another_width': (
        dict(prototypes=PROTOTYPES[:, :5]),
        r'prototypes must have shape \(C, 8\), got \(6, 5\)',
    ),
    'temperature_zero': (dict(temperature=0.0), 'temperature=0.0, .* must all be above 0'),
    'temperature_nan': (dict(temperature=float('nan')), 'must all be above 0'),
    'scale_negative': (dict(feature_scale=-1.0), 'feature_scale=-1.0 and .* must all be above 0'),
    'prototype_scale_zero': (
        dict(prototype_scale=0.0),
        r'prototype_scale=0.0 must all be above 0 \(a prototype_scale of None is feature_scale\)',
    ),
    'prior_negative': (dict(prior_power=-0.5), 'prior_power=-0.5 must be 0 or more'),
    'reduction_unknown': (
        dict(reduction='avg'),
        r"""reduction="avg" is unknown, allowed are \('mean', 'sum', 'none'\)""",
    ),
    'chunk_of_zero': (dict(chunk_size=0), 'chunk_size=0 must be 1 or more'),
}


@pytest.mark.parametrize('name', CONTRASTIVE)
def test_contrastive(name):
    changes, message = CONTRASTIVE[name]
    with pytest.raises(ValueError, match=message) as error:
        contrastive(**changes)
    assert '\n' not in str(error.value)


def test_count_zero_is_allowed_without_a_prior():
    """BCL has no use for the counts: a zero in them is no mistake there."""
    assert contrastive(class_counts=zero_for_a_present_class(), prior_power=0).isfinite()


SCORES = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
TARGET = torch.tensor([0, 1, 2, 3, 4])
SOFTMAX = {
    'scores_of_one_dimension': ((SCORES[0], TARGET, COUNTS), r'scores must have shape \(N, C\)'),
    'target_of_another_length': (
        (SCORES, TARGET[:3], COUNTS),
        r'target has shape \(3,\) .*give \(N,\) integer labels or \(N, C\) probabilities',
    ),
    'soft_target_of_another_width': (
        (SCORES, torch.rand(5, 4), COUNTS),
        r'\(N, C\) probabilities',
    ),
    'target_out_of_range': (
        (SCORES, TARGET + 3, COUNTS),
        'labels run from 3 to 7, allowed is 0..5',
    ),
    'counts_of_another_length': (
        (SCORES, TARGET, COUNTS[:4]),
        'class_counts has 4 entries, but the scores have 6 classes',
    ),
    'counts_unknown': ((SCORES, TARGET, None), 'class_counts are unknown'),
    'count_zero': (
        (SCORES, TARGET, torch.tensor([0, 1, 1, 1, 1, 1])),
        r'class 0 is in the batch, but class_counts\[0\] is 0',
    ),
    'reduction_unknown': ((SCORES, TARGET, COUNTS, 'average'), 'reduction="average" is unknown'),
}


@pytest.mark.parametrize('name', SOFTMAX)
def test_balanced_softmax(name):
    arguments, message = SOFTMAX[name]
    with pytest.raises(ValueError, match=message):
        balanced_softmax_loss(*arguments)
