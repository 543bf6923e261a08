"""How many training images each class has: counting, reading, grouping.

Framework-free apart from numpy and MMEngine's file reader, so that losses, metrics, hooks and
tools share one definition of "class counts" and of the many / medium / few-shot groups.
"""

import json
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Sequence, Union

import numpy as np

from rcl_mm.errors import InputError, InputTypeError
from rcl_mm.text_files import decode_text, first_problem, parse_image_list

CountsSource = Union[str, Path, Sequence[int], np.ndarray]

WAYS_TO_GIVE_COUNTS = (
    'give class_counts=[...] (one number per class), or class_counts="path" to a JSON file or a '
    '"path label" list file, or class_counts="auto" with '
    "custom_hooks=[dict(type='ClassCountsHook')] so that they are read from the training set"
)


def count_labels(labels: Sequence[int], num_classes: Optional[int] = None) -> np.ndarray:
    """Number of samples of each class.

    Args:
        labels (Sequence[int]): Integer labels, shape (N, ).
        num_classes (int, optional): Number of classes C. Defaults to the largest label + 1.

    Returns:
        np.ndarray: Counts, shape (C, ), int64.

    Raises:
        InputError: If a label is negative or not below ``num_classes``.
        InputTypeError: If the labels are not integers.
    """
    labels = np.asarray(labels)
    if labels.size == 0:
        return np.zeros(num_classes or 0, dtype=np.int64)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise InputTypeError(
            f'labels must be integers of shape (N,), got {labels.dtype} of shape {labels.shape}; '
            'class counts exist only for single-label data'
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or (num_classes is not None and high >= num_classes):
        allowed = f'0..{num_classes - 1}' if num_classes is not None else '0 or more'
        raise InputError(
            f'labels run from {low} to {high}, allowed is {allowed}: correct the annotation or '
            'num_classes'
        )
    return np.bincount(labels, minlength=num_classes or 0).astype(np.int64)


def check_class_counts(counts: Sequence[int], num_classes: Optional[int] = None) -> np.ndarray:
    """Validate class counts and return them as an int64 array of shape (C, ).

    Raises:
        InputError: If they are not C non-negative whole numbers with at least one above zero.
    """
    try:
        array = np.asarray(counts, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f'class_counts is {str(counts)[:80]}, allowed is one whole number per class: {error}'
        ) from error
    if array.ndim != 1 or array.size == 0:
        raise InputError(f'class_counts must have shape (C,), got shape {array.shape}')
    if num_classes is not None and array.size != num_classes:
        raise InputError(
            f'class_counts has {array.size} entries, but there are {num_classes} classes: '
            'give one count per class'
        )
    if not np.isfinite(array).all() or (array < 0).any() or (array != np.floor(array)).any():
        bad = int(np.argmax(~(np.isfinite(array) & (array >= 0) & (array == np.floor(array)))))
        raise InputError(
            f'class_counts[{bad}] is {counts[bad]}, allowed are whole numbers >= 0: '
            'give the number of training images of each class'
        )
    if not array.any():
        raise InputError('class_counts are all zero: the training set has no images')
    return array.astype(np.int64)


def read_class_counts(source: CountsSource, num_classes: Optional[int] = None) -> np.ndarray:
    """Class counts from a list, a JSON file or a list file.

    Args:
        source (Sequence[int] | str | Path): The counts themselves; or the path of a JSON file that
            holds a list, a ``{"class_counts": [...]}`` object or a ``{"0": n_0, ...}`` object; or
            the path of an annotation list with one "relative/path label" per line.
        num_classes (int, optional): Number of classes C to check against.

    Returns:
        np.ndarray: Counts, shape (C, ), int64.

    Raises:
        FileNotFoundError: If the path does not exist.
        InputError: If the contents are no class counts.
    """
    if not isinstance(source, (str, Path)):
        return check_class_counts(source, num_classes)
    path = Path(source).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'class_counts file "{path}" does not exist: {WAYS_TO_GIVE_COUNTS}')
    name = f'class_counts file "{path}"'
    text = decode_text(path.read_bytes(), name)
    if path.suffix.lower() == '.json':
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f'class_counts file "{path}" is not valid JSON: {error}') from None
        if isinstance(data, dict):
            data = data.get('class_counts', data)
        if isinstance(data, dict):
            try:
                data = [data[str(c)] for c in range(len(data))]
            except KeyError as error:
                raise InputError(
                    f'class_counts file "{path}" has no class {error}: its keys must be 0..C-1'
                ) from None
        return check_class_counts(data, num_classes)
    # Where the images are does not matter here, and one that is there twice is drawn twice.
    _, labels, problems = parse_image_list(text, name, num_classes, True, allow_repeats=True)
    if problems:
        raise InputError(f'{first_problem(problems)}; give a list file or a .json file')
    return check_class_counts(count_labels(labels, num_classes), num_classes)


def inner_datasets(outer: Any) -> Iterator[Any]:
    """The data sets inside a loader or a wrapper, at every depth, outermost first.

    Wrappers of MMEngine, MMPretrain, torch and this package keep what they wrap in ``dataset``, or
    in ``datasets`` if there are several.

    Args:
        outer: A loader or a data set, or the config of one.

    Yields:
        The data sets, or their configs (to change in place), without ``outer`` itself.
    """
    if isinstance(outer, dict):
        inner = [outer.get('dataset'), *(outer.get('datasets') or ())]
        inner = [one for one in inner if isinstance(one, dict)]
    else:
        inner = [getattr(outer, 'dataset', None), *(getattr(outer, 'datasets', None) or ())]
        # Some data sets keep their own name in an attribute `dataset`.
        inner = [one for one in inner if one is not None and not isinstance(one, str)]
    for one in inner:
        yield one
        yield from inner_datasets(one)


def dataset_labels(dataset) -> np.ndarray:
    """Labels of all samples of a data set, through any stack of wrappers.

    MMEngine's RepeatDataset, ClassBalancedDataset and ConcatDataset have no ``get_gt_labels``;
    here their own index maps are followed, so that a repeated sample counts as often as it is
    drawn in an epoch.

    Args:
        dataset: An MMEngine/MMPretrain data set or wrapper, or a torch ``Subset``.

    Returns:
        np.ndarray: Labels, shape (len(dataset), ), int64.

    Raises:
        InputTypeError: If no single integer label per sample can be found.
    """
    if hasattr(dataset, 'full_init'):
        dataset.full_init()
    if hasattr(dataset, 'get_gt_labels'):
        labels = np.asarray(dataset.get_gt_labels())
    elif hasattr(dataset, 'datasets'):
        labels = np.concatenate([dataset_labels(part) for part in dataset.datasets])
    elif hasattr(dataset, 'repeat_indices'):
        labels = dataset_labels(dataset.dataset)[np.asarray(dataset.repeat_indices)]
    elif hasattr(dataset, 'indices') and hasattr(dataset, 'dataset'):
        labels = dataset_labels(dataset.dataset)[np.asarray(dataset.indices)]
    elif hasattr(dataset, 'dataset'):
        inner = dataset_labels(dataset.dataset)
        repeats, rest = divmod(len(dataset), max(1, len(inner)))
        if rest or (len(inner) and not repeats):
            raise InputTypeError(
                f'{type(dataset).__name__} has {len(dataset)} samples, its inner data set '
                f'{len(inner)}, and nothing says which: give it get_gt_labels() or indices, or '
                'the loss class_counts'
            )
        labels = np.tile(inner, repeats)
    elif hasattr(dataset, 'targets'):
        labels = np.asarray(dataset.targets)
    else:
        raise InputTypeError(
            f'{type(dataset).__name__} has neither get_gt_labels() nor an inner data set: '
            f'{WAYS_TO_GIVE_COUNTS}'
        )
    if labels.size and (labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer)):
        raise InputTypeError(
            f'{type(dataset).__name__} has labels of shape {labels.shape}, {labels.dtype}: class '
            'counts exist only for single-label data'
        )
    return labels.astype(np.int64)


def dataset_class_counts(dataset, num_classes: Optional[int] = None) -> np.ndarray:
    """Class counts of a data set, as often as images are drawn in an epoch.

    Args:
        dataset: See :func:`dataset_labels`.
        num_classes (int, optional): Number of classes C. Defaults to :func:`num_class_names`.

    Returns:
        np.ndarray: Counts, shape (C, ), int64.
    """
    return count_labels(dataset_labels(dataset), num_classes or num_class_names(dataset))


def num_class_names(dataset: Any) -> Optional[int]:
    """Number of class names in the meta information of a data set, None if it has none."""
    return len((getattr(dataset, 'metainfo', None) or {}).get('classes') or ()) or None


def shot_groups(counts: Sequence[int], many: int = 100, few: int = 20) -> Dict[str, np.ndarray]:
    """Class indices of the many, medium and few-shot groups.

    Many-shot classes have more than ``many`` training images, few-shot ones less than ``few``,
    medium-shot ones from ``few`` to ``many`` (Liu et al., "Large-Scale Long-Tailed Recognition in
    an Open World", CVPR 2019).

    Args:
        counts (Sequence[int]): Training images per class, shape (C, ).
        many (int): Upper bound of the medium group. Defaults to 100.
        few (int): Lower bound of the medium group. Defaults to 20.

    Returns:
        dict[str, np.ndarray]: Sorted class indices under ``many``, ``medium``, ``few``; a group
        may be empty.

    Raises:
        InputError: If ``few`` is larger than ``many``.
    """
    if few > many:
        raise InputError(f'few={few} is above many={many}: give few <= many')
    counts = np.asarray(counts)
    return {
        'many': np.flatnonzero(counts > many),
        'medium': np.flatnonzero((counts >= few) & (counts <= many)),
        'few': np.flatnonzero(counts < few),
    }


def imbalance_factor(counts: np.ndarray) -> float:
    """The largest count over the smallest that is not zero."""
    return float(counts.max() / counts[counts > 0].min())


def gini(counts: np.ndarray) -> float:
    """Gini coefficient: half the mean absolute difference of two counts, over their mean."""
    ordered = np.sort(np.asarray(counts, dtype=np.float64))
    rank = np.arange(1, len(ordered) + 1)
    return float((2 * rank - len(ordered) - 1) @ ordered / (len(ordered) * ordered.sum()))
