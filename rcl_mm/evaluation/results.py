"""The results of one test: per class for people, per sample for the report.

``results.json`` holds metrics, the per-class table, calibration bins and the confusion matrix;
``results.npz`` beside it holds what the report draws from and a table can not hold: a few numbers
per test image, class means, features of some samples, example images.
"""

import csv
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Union
from zipfile import BadZipFile

import numpy as np

from rcl_mm.class_counts import shot_groups
from rcl_mm.errors import InputError
from rcl_mm.evaluation.class_accuracy import reliability_bins
from rcl_mm.evaluation.feature_space import FeatureSpace
from rcl_mm.runtime.files import replacing
from rcl_mm.text_files import ANY_NAME

FORMAT = 1
JSON_NAME = 'results.json'
SUFFIXES = ('.json', '.csv')


class ResultsError(InputError):
    """Results that are missing, unreadable or of another kind, in one sentence for the user."""


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
        digest = hashlib.sha256('\0'.join(self.classes).encode('utf-8', 'surrogatepass'))
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


def results_document(results: Results) -> Dict[str, Any]:
    """The contents of ``results.json``."""
    return {
        'format': FORMAT,
        'metrics': {name: finite_or_none(value) for name, value in results.metrics.items()},
        'run': results.run,
        'num_samples': len(results.target),
        'num_classes': results.num_classes,
        'fingerprint': results.fingerprint,
        'thresholds': {'many': results.many, 'few': results.few},
        'per_class': per_class_table(results),
        'feature_space': results.diagnostics,
        'calibration': calibration(results),
        'confusion': confusion_matrix(results),
    }


def is_results_path(path: Optional[Union[str, Path]]) -> bool:
    """Whether a path is one that :func:`write_results` writes."""
    return path is not None and Path(path).suffix in SUFFIXES


def write_results(path: Union[str, Path], results: Results) -> None:
    """Write results as JSON, with the arrays in an .npz beside it, or the table as CSV.

    Args:
        path (str | Path): ``*.json`` or ``*.csv``. Missing folders are made.
        results (Results): What to write.

    Raises:
        InputError: If the suffix is another one.
    """
    path = Path(path)
    if not is_results_path(path):
        raise InputError(f'results can be written to .json or .csv, got "{path}"')
    if path.suffix == '.csv':
        rows = per_class_table(results)
        with replacing(path) as unfinished:
            with unfinished.open('w', newline='', encoding='utf-8', errors=ANY_NAME) as file:
                writer = csv.DictWriter(file, fieldnames=list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        return
    text = json.dumps(results_document(results), allow_nan=False)
    # The arrays first: where the document is, they are.
    with replacing(path.with_suffix('.npz')) as unfinished:
        np.savez_compressed(unfinished, **_arrays(results))
    with replacing(path) as unfinished:
        unfinished.write_text(text, 'utf-8')


def read_results(path: Union[str, Path]) -> Results:
    """Read results written by :func:`write_results`.

    Args:
        path (str | Path): The JSON file, or a work dir that holds ``results.json``.

    Raises:
        ResultsError: If there are none, or they can not be read.
    """
    path = Path(path)
    if path.is_dir():
        path = path / JSON_NAME
    if not path.is_file():
        raise ResultsError(
            f'"{path.parent}" has no {path.name}: run tools/test.py CONFIG CHECKPOINT '
            f'--work-dir {path.parent} first'
        )
    arrays_path = path.with_suffix('.npz')
    try:
        document = json.loads(path.read_text('utf-8'))
        if document.get('format') != FORMAT:
            raise ResultsError(
                f'"{path}" has format {document.get("format")!r}, known is {FORMAT}: run '
                'tools/test.py again'
            )
        with np.load(arrays_path, allow_pickle=False) as file:
            arrays = dict(file)
        return _from_document(document, arrays)
    except FileNotFoundError:
        raise ResultsError(f'"{arrays_path}" is missing: run tools/test.py again') from None
    except ResultsError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, EOFError, BadZipFile) as error:
        raise ResultsError(
            f'"{path}" or the .npz beside it can not be read ({type(error).__name__}: {error}): '
            'run tools/test.py again'
        ) from None


def _arrays(results: Results) -> Dict[str, np.ndarray]:
    """The arrays of ``results.npz``: plain numpy, nothing that needs pickle."""
    arrays = {
        'target': results.target.astype(np.int32),
        'predicted': results.predicted.astype(np.int32),
        'confidence': results.confidence.astype(np.float32),
        'margin': results.margin.astype(np.float32),
        'indices': results.indices.astype(np.int64),
    }
    for name, space in results.spaces.items():
        for key, value in vars(space).items():
            arrays[f'{name}.{key}'] = value
    for position, image in results.thumbnails.items():
        arrays[f'thumbnail.{position}'] = image
    return arrays


def _from_document(document: Dict[str, Any], arrays: Dict[str, np.ndarray]) -> Results:
    rows = document['per_class']
    counts = [row['train_count'] for row in rows]
    spaces: Dict[str, Dict[str, np.ndarray]] = {}
    thumbnails = {}
    for key, value in arrays.items():
        owner, _, name = key.partition('.')
        if owner == 'thumbnail':
            thumbnails[int(name)] = value
        elif name:
            spaces.setdefault(owner, {})[name] = value
    return Results(
        classes=[row['class'] for row in rows],
        train_counts=None if None in counts else np.array(counts, dtype=np.int64),
        many=document['thresholds']['many'],
        few=document['thresholds']['few'],
        spaces={name: FeatureSpace(**values) for name, values in spaces.items()},
        diagnostics=document['feature_space'],
        metrics=document['metrics'],
        run=document['run'],
        thumbnails=thumbnails,
        **{
            name: arrays[name]
            for name in ('target', 'predicted', 'confidence', 'margin', 'indices')
        },
    )
