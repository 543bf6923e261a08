"""Classify image files."""

import csv
import os.path as osp
import sys
from typing import Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import torch
from mmengine.dataset import default_collate

from rcl_mm.datasets.image_folders import PassedOver, image_extensions, images_below
from rcl_mm.inference.classifier import Classifier, image_pipeline
from rcl_mm.runtime.errors import UsageError
from rcl_mm.runtime.files import replacing
from rcl_mm.text_files import ANY_NAME


class Prediction(NamedTuple):
    """The best classes of an image, best first; both empty if it could not be read."""

    path: str
    names: Tuple[str, ...]
    scores: Tuple[float, ...]


def find_images(places: Sequence[str]) -> List[str]:
    """Paths of images: files as given, folders with all images below them.

    Raises:
        UsageError: If a place does not exist, or a folder has no image.
    """
    paths = []
    for place in places:
        if osp.isdir(place):
            passed_over = PassedOver(place)
            found = images_below(place, passed_over)
            if str(passed_over):
                print(passed_over, file=sys.stderr)
            if not found:
                raise UsageError(f'"{place}" has no image ({", ".join(image_extensions())})')
            paths += [osp.join(place, path) for path in found]
        elif osp.isfile(place):
            paths.append(place)
        else:
            raise UsageError(f'"{place}" does not exist: give an image or a folder of images')
    return paths


@torch.no_grad()
def predict_images(
    classifier: Classifier, paths: Iterable[str], batch_size: int = 32, topk: int = 1
) -> Iterator[Prediction]:
    """Classify images in the order given.

    Args:
        classifier (Classifier): From :func:`load_classifier`.
        paths (Iterable[str]): Image files.
        batch_size (int): Images per forward pass, if they have one size. Defaults to 32.
        topk (int): Classes per image, at most all. Defaults to 1.

    Yields:
        Prediction: One for each path; without names if the image could not be read.
    """
    pipeline = image_pipeline(classifier.config)
    waiting: List[Tuple[str, Optional[dict]]] = []
    for path in paths:
        sample = _read(pipeline, path)
        shapes = {s['inputs'].shape for _, s in waiting if s is not None}
        if len(waiting) >= batch_size or (
            sample and shapes and sample['inputs'].shape not in shapes
        ):
            yield from _forward(classifier, waiting, topk)
            waiting = []
        waiting.append((path, sample))
    yield from _forward(classifier, waiting, topk)


def _read(pipeline, path: str) -> Optional[dict]:
    try:
        return pipeline(dict(img_path=path))
    except AssertionError:
        # mmcv's loader: "failed to load image".
        return None


def _forward(
    classifier: Classifier, samples: Sequence[Tuple[str, Optional[dict]]], topk: int
) -> Iterator[Prediction]:
    readable = [sample for _, sample in samples if sample is not None]
    results = iter(())
    if readable:
        data = classifier.model.data_preprocessor(default_collate(readable), False)
        results = iter(classifier.model(**data, mode='predict'))
    for path, sample in samples:
        if sample is None:
            yield Prediction(path, (), ())
            continue
        scores, labels = next(results).pred_score.topk(min(topk, len(classifier.classes)))
        names = tuple(classifier.classes[label] for label in labels.tolist())
        yield Prediction(path, names, tuple(scores.tolist()))


def write_csv(predictions: Sequence[Prediction], path: str, topk: int) -> None:
    """Write ``image,class,score[,class_2,score_2,...],error``; whole or not at all."""
    header = ['image', 'class', 'score']
    for rank in range(2, topk + 1):
        header += [f'class_{rank}', f'score_{rank}']
    rows = [[*header, 'error']]
    for image, names, scores in predictions:
        pairs = [x for name, score in zip(names, scores) for x in (name, f'{score:.6f}')]
        pairs += [''] * (2 * topk - len(pairs))
        rows.append([image, *pairs, '' if names else 'unreadable'])
    with replacing(path) as unfinished:
        with unfinished.open('w', newline='', encoding='utf-8', errors=ANY_NAME) as file:
            csv.writer(file).writerows(rows)
