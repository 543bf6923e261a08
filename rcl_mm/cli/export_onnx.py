"""What ``tools/export_onnx.py`` does: a checkpoint as ONNX, checked against ONNX Runtime."""

import argparse
import os.path as osp
from typing import Optional, Sequence

from mmengine.logging import MMLogger

from rcl_mm.inference.classifier import load_classifier
from rcl_mm.inference.onnx_export import export_onnx
from rcl_mm.runtime.compat import filter_needless_warnings
from rcl_mm.runtime.configs import check_checkpoint, check_config
from rcl_mm.runtime.errors import UsageError, report_errors


def export_parser() -> argparse.ArgumentParser:
    """Arguments of ``tools/export_onnx.py``."""
    parser = argparse.ArgumentParser(
        description='Write a trained checkpoint as ONNX, checked against ONNX Runtime'
    )
    parser.add_argument('checkpoint', help='path of the checkpoint')
    parser.add_argument('-o', '--out', required=True, help='ONNX file to write')
    parser.add_argument(
        '--input-size', type=int, nargs=2, metavar=('HEIGHT', 'WIDTH'), help='size of the images'
    )
    parser.add_argument('--config', help='config of the training. Defaults to the recorded one')
    parser.add_argument('--debug', action='store_true', help='show the full traceback of an error')
    return parser


def export(args: argparse.Namespace) -> float:
    """Export as the arguments of ``tools/export_onnx.py`` say; returns the largest difference."""
    if osp.splitext(args.out)[1] != '.onnx':
        raise UsageError(f'-o "{args.out}" is no .onnx file')
    if args.input_size is not None and min(args.input_size) < 1:
        raise UsageError(f'--input-size {args.input_size} has to be positive')
    check_checkpoint(args.checkpoint)
    if args.config is not None:
        check_config(args.config)
    filter_needless_warnings()
    MMLogger.get_current_instance().setLevel('WARNING')
    classifier = load_classifier(args.checkpoint, args.config)
    size = None if args.input_size is None else tuple(args.input_size)
    largest = export_onnx(classifier, args.out, size)
    print(
        f'written: {args.out} (input "images": RGB, 0..255, float32; output "scores"; largest '
        f'difference from torch {largest:.1e})'
    )
    return largest


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Entry of the tool; returns its exit code."""
    args = export_parser().parse_args(arguments)
    return report_errors(lambda: export(args), debug=args.debug)
