"""Which test images show best what goes wrong, and small copies of them."""

import logging
from typing import Any, Dict, List, NamedTuple, Sequence

import cv2
import numpy as np
from mmengine.fileio import get
from mmengine.logging import print_log

from rcl_mm.errors import InputError
from rcl_mm.evaluation.class_accuracy import per_class_accuracy
from rcl_mm.evaluation.results import Results

WORST_CLASSES = 12
EXAMPLES_PER_PAIR = 3
THUMBNAIL_SIZE = 64


class Confusion(NamedTuple):
    """A class and the class that it is most often mistaken for.

    Attributes:
        true (int): The class.
        predicted (int): The class it is taken for.
        count (int): How many test images of ``true`` are predicted as ``predicted``.
        total (int): Test images of ``true``.
        mistaken (list[int]): Positions of some such images, the most confident first.
        reference (list[int]): Position of one image of ``predicted``, for comparison.
    """

    true: int
    predicted: int
    count: int
    total: int
    mistaken: List[int]
    reference: List[int]

    @property
    def positions(self) -> List[int]:
        return [*self.mistaken, *self.reference]


def choose_examples(results: Results, limit: int = WORST_CLASSES) -> List[Confusion]:
    """The classes with the lowest accuracy and their most frequent confusion, worst first.

    Args:
        results (Results): Results of a test.
        limit (int): At most so many classes. Defaults to 12.
    """
    target, predicted = results.target, results.predicted
    accuracy = per_class_accuracy(predicted, target, results.num_classes)
    order = np.argsort(accuracy, kind='stable')
    worst = [int(c) for c in order[:limit] if accuracy[c] < 1]
    confidence = np.nan_to_num(results.confidence)
    examples = []
    for true in worst:
        of_class = np.flatnonzero(target == true)
        wrong = of_class[predicted[of_class] != true]
        taken_for, counts = np.unique(predicted[wrong], return_counts=True)
        confused = int(taken_for[counts.argmax()])
        mistaken = wrong[predicted[wrong] == confused]
        mistaken = mistaken[np.argsort(-confidence[mistaken], kind='stable')]
        reference = np.flatnonzero((target == confused) & (predicted == confused))
        if not len(reference):
            reference = np.flatnonzero(target == confused)
        reference = reference[np.argsort(-confidence[reference], kind='stable')]
        examples.append(
            Confusion(
                true,
                confused,
                int(counts.max()),
                len(of_class),
                mistaken[:EXAMPLES_PER_PAIR].tolist(),
                reference[:1].tolist(),
            )
        )
    return examples


def load_thumbnails(
    dataset: Any, indices: Sequence[int], positions: Sequence[int], size: int = THUMBNAIL_SIZE
) -> Dict[int, np.ndarray]:
    """Small copies of images of a data set.

    Args:
        dataset: An MMEngine data set whose ``get_data_info`` gives ``img`` (H, W, 3) or
            ``img_path``.
        indices (Sequence[int]): Index in the data set of each position.
        positions (Sequence[int]): Positions wanted.
        size (int): Longest side in pixels. Defaults to 64.

    Returns:
        dict[int, np.ndarray]: By position, (H, W, 3) uint8 RGB. Images that can not be read are
        left out and the first of them is named in the log.
    """
    thumbnails: Dict[int, np.ndarray] = {}
    failed: List[str] = []
    for position in dict.fromkeys(positions):
        try:
            image = _read_image(dataset.get_data_info(int(indices[position])))
        except (AttributeError, KeyError, IndexError, OSError, ValueError, cv2.error) as error:
            failed.append(f'image {indices[position]}: {type(error).__name__}: {error}')
            continue
        scale = size / max(image.shape[:2])
        if scale < 1:
            height, width = (max(1, round(side * scale)) for side in image.shape[:2])
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        thumbnails[int(position)] = np.ascontiguousarray(image, dtype=np.uint8)
    if failed:
        print_log(
            f'{len(failed)} example images for the report could not be read ({failed[0]})',
            logger='current',
            level=logging.WARNING,
        )
    return thumbnails


def _read_image(info: Dict[str, Any]) -> np.ndarray:
    """An image of a data set as (H, W, 3) uint8 RGB."""
    if 'img' in info:
        image = np.asarray(info['img'])
        if image.ndim == 2:
            image = image[:, :, None]
        return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image[:, :, :3]
    content = np.frombuffer(get(info['img_path']), dtype=np.uint8)
    image = cv2.imdecode(content, cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f'"{info["img_path"]}" is not a readable image')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
