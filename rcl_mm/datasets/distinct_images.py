"""How many images a data set has, however often wrappers repeat them.

The loss's prior is about what is drawn, so it counts repeated images as often as an epoch shows
them. Shot groups, tables and summaries are about how much there is to learn from: distinct images.
"""

import hashlib
import os.path as osp
from typing import Any, Dict, Iterator, Optional

import numpy as np

from rcl_mm.class_counts import count_labels, dataset_labels, inner_datasets, num_class_names


def distinct_samples(dataset: Any, labels: np.ndarray) -> np.ndarray:
    """One sample of each image: RepeatDataset, ClassBalancedDataset and the like repeat images.

    An image is known by its path. Images in memory are known by their place in their data set and,
    where several data sets are joined, by their pixels, so that the same set twice is found. An
    image under two labels is one image of each.

    Args:
        dataset: As in :func:`dataset_labels`.
        labels (np.ndarray): Its labels, shape (N, ).

    Returns:
        np.ndarray: Sorted indices of each image's first sample, shape (M, ), int64.
    """
    leaves = {id(one) for one in (dataset, *inner_datasets(dataset)) if not _has_inner(one)}
    images = _image_numbers(dataset, {}, joined=len(leaves) > 1)
    spread = int(labels.max(initial=0)) + 2
    _, first = np.unique(images * spread + (labels + 1), return_index=True)
    return np.sort(first)


def _image_numbers(dataset: Any, known: Dict[Any, int], joined: bool) -> np.ndarray:
    """A number for each sample, the same for all samples of an image; ``known`` is filled."""
    size = len(dataset)
    numbers = None
    if hasattr(dataset, 'datasets'):
        parts = [_image_numbers(part, known, joined) for part in dataset.datasets]
        numbers = np.concatenate(parts)
    elif _has_inner(dataset):
        numbers = _image_numbers(dataset.dataset, known, joined)
        taken = getattr(dataset, 'repeat_indices', getattr(dataset, 'indices', None))
        if taken is not None:
            numbers = numbers[np.asarray(taken)]
        elif len(numbers) and size % len(numbers) == 0:
            numbers = np.tile(numbers, size // len(numbers))
    if numbers is None or len(numbers) != size:
        # An innermost data set, or a wrapper that does not tell its order.
        keys = _image_keys(dataset, joined)
        numbers = np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)
    return numbers


def _image_keys(dataset: Any, joined: bool) -> Iterator[Any]:
    """What tells the images of an innermost data set apart."""
    has_info = hasattr(dataset, 'get_data_info')
    seen: Dict[bytes, int] = {}
    for index in range(len(dataset)):
        info = dataset.get_data_info(index) if has_info else {}
        if info.get('img_path'):
            yield osp.normpath(info['img_path'])
        elif joined and 'img' in info:
            pixels = hashlib.sha256(np.ascontiguousarray(info['img'])).digest()
            # Images that look alike within one set are several.
            seen[pixels] = seen.get(pixels, 0) + 1
            yield pixels, seen[pixels]
        else:
            yield id(dataset), index


def _has_inner(dataset: Any) -> bool:
    return next(inner_datasets(dataset), None) is not None


def image_class_counts(dataset: Any, num_classes: Optional[int] = None) -> np.ndarray:
    """Distinct images of each class.

    Args:
        dataset: See :func:`dataset_labels`.
        num_classes (int, optional): Number of classes C. Defaults to that of the class names.

    Returns:
        np.ndarray: Counts, shape (C, ), int64.
    """
    labels = dataset_labels(dataset)
    labels = labels[distinct_samples(dataset, labels)]
    return count_labels(labels, num_classes or num_class_names(dataset))
