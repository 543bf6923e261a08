"""What ``tools/predict.py`` does: classify images, list those that cannot be read."""

import argparse
import sys
from typing import List, Optional, Sequence

import torch
from mmengine.logging import MMLogger
from rich.console import Console
from rich.progress import track

from rcl_mm.errors import InputError
from rcl_mm.inference.classifier import load_classifier
from rcl_mm.inference.predict import Prediction, find_images, predict_images, write_csv
from rcl_mm.runtime.compat import filter_needless_warnings
from rcl_mm.runtime.configs import check_checkpoint, check_config
from rcl_mm.runtime.errors import UsageError, report_errors


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
        InputError: If not a single image could be read; nothing is written then.
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
        raise InputError(f'none of {len(paths)} images could be read: nothing is written')
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
