"""What one test of one checkpoint leaves, and the tables that follow from it."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

import numpy as np

from rcl_mm.class_counts import shot_groups
from rcl_mm.evaluation.class_accuracy import reliability_bins


@dataclass
class FeatureSpace:
    """What a test keeps of one feature space.

    Attributes:
        class_means (np.ndarray): Mean of each class's unit-norm features, shape (C, D), float32,
            or float16 if that is large.
        compactness (np.ndarray): Mean cosine to the class mean, shape (C, ), NaN if unknown.
        angle_min (np.ndarray): Smallest angle to another class in degrees, shape (C, ).
        map_features (np.ndarray): Features of the samples on the 2-D map, shape (M, D), float16.
        map_positions (np.ndarray): Their positions in the data set, shape (M, ).
    """

    class_means: np.ndarray
    compactness: np.ndarray
    angle_min: np.ndarray
    map_features: np.ndarray
    map_positions: np.ndarray


@dataclass
class Results:
    """The outcome of one test of one checkpoint.

    Attributes:
        classes (list[str]): Class names, C of them.
        train_counts (np.ndarray, optional): Training images per class, shape (C, ).
        many (int): Classes with more training images are many-shot.
        few (int): Classes with fewer training images are few-shot.
        target (np.ndarray): True labels in data set order, shape (N, ).
        predicted (np.ndarray): Predicted labels, shape (N, ).
        confidence (np.ndarray): Probability of the predicted class, shape (N, ), NaN if unknown.
        margin (np.ndarray): Class score of the true class minus the best other one, i.e. the
            logarithm of the ratio of their probabilities, shape (N, ), NaN if unknown.
        indices (np.ndarray): Index of each sample in the test set, shape (N, ).
        spaces (dict[str, FeatureSpace]): By name, 'feature' and 'embedding'.
        diagnostics (dict[str, dict]): Feature-space diagnostics by space, as FeatureSpaceMetric.
        metrics (dict[str, float]): All metrics of the test.
        run (dict): Command, versions, checkpoint, see :func:`provenance`.
        thumbnails (dict[int, np.ndarray]): Example images by position, (H, W, 3) uint8 RGB.
    """

    classes: List[str]
    train_counts: Optional[np.ndarray]
    many: int
    few: int
    target: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    margin: np.ndarray
    indices: np.ndarray
    spaces: Dict[str, FeatureSpace] = field(default_factory=dict)
    diagnostics: Dict[str, Dict[str, float]] = field(default_factory=dict)
    metrics: Dict[str, float] = field(default_factory=dict)
    run: Dict[str, Any] = field(default_factory=dict)
    thumbnails: Dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def groups(self) -> List[Optional[str]]:
        """Shot group of each class, C of them; None while the class counts are unknown."""
        names: List[Optional[str]] = [None] * self.num_classes
        if self.train_counts is not None:
            for name, members in shot_groups(self.train_counts, self.many, self.few).items():
                for index in members:
                    names[index] = name
        return names

    @property
    def fingerprint(self) -> str:
        """Equal for two tests of the same classes on the same images in the same order."""
        digest = hashlib.sha256('\0'.join(self.classes).encode())
        digest.update(np.asarray(self.target, dtype=np.int64).tobytes())
        return digest.hexdigest()[:16]


def per_class_table(results: Results) -> List[Dict[str, Any]]:
    """One row per class: counts, group, accuracy, precision, recall and F1 in percent.

    Accuracy is the share of the class's test images that are recognised, which is its recall.
    None where a figure is not defined: no test image, or for precision no prediction.
    """
    size = results.num_classes
    test_count = np.bincount(results.target, minlength=size)
    predicted_count = np.bincount(results.predicted, minlength=size)
    correct = np.bincount(results.target[results.target == results.predicted], minlength=size)
    space = next(iter(results.spaces.values()), None)
    rows = []
    for index, (name, group) in enumerate(zip(results.classes, results.groups)):
        seen, guessed, right = (int(a[index]) for a in (test_count, predicted_count, correct))
        recall = 100 * right / seen if seen else None
        row = {
            'index': index,
            'class': name,
            'train_count': None
            if results.train_counts is None
            else int(results.train_counts[index]),
            'test_count': seen,
            'group': group,
            'accuracy': recall,
            'precision': 100 * right / guessed if guessed else None,
            'recall': recall,
            'f1': 200 * right / (seen + guessed) if seen else None,
        }
        if space is not None:
            row['compactness'] = finite_or_none(space.compactness[index])
            row['angle_min'] = finite_or_none(space.angle_min[index])
        rows.append(row)
    return rows


def confusion_matrix(results: Results) -> Dict[str, List[int]]:
    """Non-zero entries of the confusion matrix: lists ``true``, ``predicted``, ``count``."""
    pairs = results.target.astype(np.int64) * results.num_classes + results.predicted
    pairs, counts = np.unique(pairs, return_counts=True)
    true, predicted = np.divmod(pairs, results.num_classes)
    return {'true': true.tolist(), 'predicted': predicted.tolist(), 'count': counts.tolist()}


def calibration(results: Results, num_bins: int = 15) -> Optional[Dict[str, Any]]:
    """Reliability bins and ECE in percent, or None if confidences are unknown."""
    confidence = results.confidence
    if not len(confidence) or not ((confidence >= 0) & (confidence <= 1 + 1e-6)).all():
        return None
    bins = reliability_bins(confidence, results.predicted == results.target, num_bins)
    return {
        'ece': 100 * bins.ece,
        'edges': bins.edges.tolist(),
        'count': bins.counts.tolist(),
        'confidence': [finite_or_none(100 * value) for value in bins.confidence],
        'accuracy': [finite_or_none(100 * value) for value in bins.accuracy],
    }


def finite_or_none(value: float) -> Optional[float]:
    """A float for JSON: None instead of NaN and infinity."""
    return float(value) if np.isfinite(value) else None
