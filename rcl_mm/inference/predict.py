"""What ``tools/predict.py`` does: classify images, list those that cannot be read."""

import argparse
import csv
import os.path as osp
import sys
from typing import Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import torch
from mmengine.dataset import default_collate
from mmengine.logging import MMLogger
from rich.console import Console
from rich.progress import track

from rcl_mm.datasets.folder import EXTENSIONS, images_below
from rcl_mm.engine.arguments import check_checkpoint, check_config
from rcl_mm.engine.atomic_files import replacing
from rcl_mm.engine.compat import filter_needless_warnings
from rcl_mm.engine.errors import UsageError, report_errors
from rcl_mm.inference.classifier import Classifier, image_pipeline, load_classifier


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
            found = images_below(place)
            if not found:
                raise UsageError(f'"{place}" has no image ({", ".join(EXTENSIONS)})')
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
        with unfinished.open('w', newline='', encoding='utf-8') as file:
            csv.writer(file).writerows(rows)


def predict_parser() -> argparse.ArgumentParser:
    """Arguments of ``tools/predict.py``."""
    parser = argparse.ArgumentParser(description='Classify images with a trained checkpoint')
    parser.add_argument('checkpoint', help='path of the checkpoint')
    parser.add_argument('images', nargs='+', help='image files, or folders of images')
    parser.add_argument('--out', help='CSV file for the predictions; else they are printed')
    parser.add_argument('--topk', type=int, default=1, help='classes per image. Defaults to 1')
    parser.add_argument('--batch-size', type=int, default=32, help='Defaults to 32')
    parser.add_argument('--config', help='config of the training. Defaults to the recorded one')
    parser.add_argument('--device', help="Defaults to 'cuda' where there is a GPU, else 'cpu'")
    parser.add_argument('--debug', action='store_true', help='show the full traceback of an error')
    return parser


def predict(args: argparse.Namespace) -> List[Prediction]:
    """Predict as the arguments of ``tools/predict.py`` say.

    Raises:
        UsageError: If the arguments can not work.
        ValueError: If not a single image could be read; nothing is written then.
    """
    if args.topk < 1 or args.batch_size < 1:
        raise UsageError(
            f'--topk {args.topk} --batch-size {args.batch_size}: allowed is 1 or more of each'
        )
    check_checkpoint(args.checkpoint)
    if args.config is not None:
        check_config(args.config)
    filter_needless_warnings()
    MMLogger.get_current_instance().setLevel('WARNING')
    paths = find_images(args.images)
    device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    classifier = load_classifier(args.checkpoint, args.config, device)
    progress = track(
        predict_images(classifier, paths, args.batch_size, args.topk),
        'Predicting',
        total=len(paths),
        console=Console(stderr=True),
    )
    predictions = list(progress)
    unreadable = [one.path for one in predictions if not one.names]
    if unreadable:
        print(f'{len(unreadable)} of {len(paths)} images could not be read:', file=sys.stderr)
        for path in unreadable:
            print(f'  {path}', file=sys.stderr)
    if len(unreadable) == len(paths):
        raise ValueError(f'none of {len(paths)} images could be read: nothing is written')
    if args.out is not None:
        write_csv(predictions, args.out, min(args.topk, len(classifier.classes)))
        print(f'{len(paths) - len(unreadable)} predictions written: {args.out}')
    else:
        for path, names, scores in predictions:
            if names:
                best = ', '.join(f'{name} {score:.3f}' for name, score in zip(names, scores))
                print(f'{path}: {best}')
    return predictions


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Entry of the tool; returns its exit code."""
    args = predict_parser().parse_args(arguments)
    return report_errors(lambda: predict(args), debug=args.debug)
