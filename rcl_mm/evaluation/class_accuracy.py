"""What per-sample predictions say about each class: accuracies, group means, calibration.

Plain numpy in float64, shared by the metric, the results file and the report.
"""

from typing import Dict, List, NamedTuple, Optional, Sequence

import numpy as np

from rcl_mm.class_counts import shot_groups
from rcl_mm.errors import InputError

GROUPS = ('many', 'medium', 'few')


class ReliabilityBins(NamedTuple):
    """Reliability diagram of Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.

    Attributes:
        edges (np.ndarray): Bin edges, shape (B + 1, ); bin b is (edges[b], edges[b + 1]].
        counts (np.ndarray): Samples per bin, shape (B, ).
        confidence (np.ndarray): Mean confidence per bin, shape (B, ), NaN for an empty bin.
        accuracy (np.ndarray): Share of correct predictions per bin, shape (B, ), NaN if empty.
        ece (float): Expected calibration error in 0..1: the mean over samples of
            ``|accuracy - confidence|`` of their bin.
    """

    edges: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    ece: float


def check_labels(labels: Sequence[int], num_classes: int, name: str) -> np.ndarray:
    """Labels as int64 of shape (N, ), all in 0..C-1.

    Raises:
        InputError: If one is outside.
    """
    labels = np.asarray(labels).astype(np.int64).reshape(-1)
    if labels.size and (labels.min() < 0 or labels.max() >= num_classes):
        raise InputError(
            f'{name} labels run from {labels.min()} to {labels.max()}, allowed is '
            f'0..{num_classes - 1}: correct the annotation or num_classes'
        )
    return labels


def per_class_accuracy(
    predicted: Sequence[int], target: Sequence[int], num_classes: int
) -> np.ndarray:
    """Share of each class's samples that are predicted as that class.

    Args:
        predicted (Sequence[int]): Predicted labels, shape (N, ).
        target (Sequence[int]): True labels, shape (N, ).
        num_classes (int): Number of classes C.

    Returns:
        np.ndarray: Accuracies in 0..1, shape (C, ), NaN for a class without samples.
    """
    target = check_labels(target, num_classes, 'target')
    predicted = check_labels(predicted, num_classes, 'predicted')
    total = np.bincount(target, minlength=num_classes).astype(np.float64)
    correct = np.bincount(target[predicted == target], minlength=num_classes)
    return np.divide(correct, total, out=np.full(num_classes, np.nan), where=total > 0)


def group_means(
    values: np.ndarray, class_counts: Optional[Sequence[int]], many: int = 100, few: int = 20
) -> Dict[str, float]:
    """Mean over the classes of each shot group, NaN entries left out.

    Args:
        values (np.ndarray): One value per class, shape (C, ).
        class_counts (Sequence[int], optional): Training images per class, shape (C, ). With None
            there are no groups.
        many (int): Above it a class is many-shot. Defaults to 100.
        few (int): Below it a class is few-shot. Defaults to 20.

    Returns:
        dict[str, float]: Only the groups that have a class with a value.
    """
    if class_counts is None:
        return {}
    means = {}
    for name, classes in shot_groups(class_counts, many, few).items():
        known = values[classes][~np.isnan(values[classes])]
        if known.size:
            means[name] = float(known.mean())
    return means


def reliability_bins(
    confidence: Sequence[float], correct: Sequence[bool], num_bins: int = 15
) -> ReliabilityBins:
    """Bins of equal width over the confidence of the predicted class.

    Args:
        confidence (Sequence[float]): Probability of the predicted class, shape (N, ), in 0..1.
        correct (Sequence[bool]): Whether the prediction is right, shape (N, ).
        num_bins (int): Number of bins B. Defaults to 15.

    Raises:
        InputError: If there is no sample, or a confidence is not in 0..1.
    """
    confidence = np.asarray(confidence, dtype=np.float64)
    correct = np.asarray(correct, dtype=np.float64)
    valid = (confidence >= 0) & (confidence <= 1 + 1e-6)
    if not valid.all() or not confidence.size:
        given = confidence[~valid][0] if confidence.size else 'none'
        raise InputError(
            f'confidences must be probabilities in 0..1, got {given}: calibration needs scores '
            'after softmax'
        )
    edges = np.linspace(0.0, 1.0, num_bins + 1)
    index = np.clip(np.searchsorted(edges, confidence, side='left') - 1, 0, num_bins - 1)
    counts = np.bincount(index, minlength=num_bins)
    confidence_sum = np.bincount(index, weights=confidence, minlength=num_bins)
    correct_sum = np.bincount(index, weights=correct, minlength=num_bins)
    ece = float(np.abs(correct_sum - confidence_sum).sum() / confidence.size)
    with np.errstate(invalid='ignore'):
        return ReliabilityBins(edges, counts, confidence_sum / counts, correct_sum / counts, ece)


def name_classes(indices: Sequence[int], classes: Optional[Sequence[str]], limit: int = 10) -> str:
    """Class names for a log line: the first ``limit`` of them and how many more there are."""
    indices = [int(index) for index in indices]
    names: List[str] = [str(classes[i]) if classes else str(i) for i in indices[:limit]]
    more = f' and {len(indices) - limit} more' if len(indices) > limit else ''
    return ', '.join(names) + more


def class_number(number: int) -> str:
    """A number of classes in words: ``1 class``, ``2 classes``."""
    return f'{number} class' if number == 1 else f'{number} classes'
