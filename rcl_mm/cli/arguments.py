"""Command-line arguments of the tools: MMPretrain's own, with their meaning, and a few more."""

import argparse
import os.path as osp
from typing import Optional

from mmengine.config import DictAction

from rcl_mm.runtime.errors import UsageError

CFG_OPTIONS_HELP = (
    'override settings of the config, as key=value pairs; a list as key="[a,b]" or key=a,b, '
    'nested ones as key="[(a,b),(c,d)]", quoted and without white space'
)

# What --out can be written as, by --out-item.
OUT_SUFFIXES = {
    None: ('.json', '.csv', '.pkl'),
    'metrics': ('.json', '.yaml', '.yml', '.pkl'),
    'pred': ('.pkl',),
}


class SettingsAction(DictAction):
    """``DictAction`` that reports a pair without "=" as the other wrong arguments are reported."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        wrong = [value for value in values if '=' not in value]
        if wrong:
            parser.error(f'{option_string}: "{wrong[0]}" is not of the form key=value')
        super().__call__(parser, namespace, values, option_string)


def check_out(out: Optional[str], item: Optional[str]) -> None:
    """Refuse an ``--out`` that could not be written after a long test.

    Args:
        out (str, optional): The file.
        item (str, optional): What goes there, one of ``OUT_SUFFIXES``.

    Raises:
        UsageError: For another suffix than ``OUT_SUFFIXES`` has, or an item without a file.
    """
    if out is None:
        if item is not None:
            raise UsageError('--out-item needs --out: give the file to write to')
        return
    *others, last = OUT_SUFFIXES[item]
    # Two names of one format.
    if osp.splitext(out)[1].replace('.pickle', '.pkl') not in (*others, last):
        which = f' --out-item {item}' if item else ''
        names = f'{", ".join(others)} and {last}' if others else last
        raise UsageError(f'--out {out}{which}: allowed are {names}')


def _common_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--cfg-options', nargs='+', action=SettingsAction, help=CFG_OPTIONS_HELP)
    parser.add_argument(
        '--no-pin-memory', action='store_true', help='do not pin the memory of data loaders'
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='job launcher; Defaults to none: one process',
    )
    parser.add_argument(
        '--debug',
        action='store_true',
        help='show the full traceback of every error, as RCL_MM_TRACEBACK=1 does',
    )
    # torch.distributed.launch passes --local-rank, older ones --local_rank.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)


def train_parser() -> argparse.ArgumentParser:
    """Arguments of ``tools/train.py``: MMPretrain's, with their meaning, and a few more."""
    parser = argparse.ArgumentParser(description='Train a model')
    parser.add_argument('config', help='path of the config')
    parser.add_argument('--work-dir', help='folder for logs and checkpoints')
    parser.add_argument(
        '--resume',
        nargs='?',
        type=str,
        const='auto',
        help='go on from this checkpoint, or, without a path, from the newest whole one in the '
        'work dir',
    )
    parser.add_argument('--amp', action='store_true', help='train in automatic mixed precision')
    parser.add_argument(
        '--rcl',
        action='store_true',
        help='turn an MMPretrain classification config into RCL first, see '
        'tools/convert_config.py for options',
    )
    parser.add_argument(
        '--no-validate', action='store_true', help='do not validate during training'
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by the actual over the base batch size',
    )
    parser.add_argument(
        '--no-persistent-workers',
        action='store_true',
        help='start the workers of data loaders anew in every epoch',
    )
    parser.add_argument('--seed', type=int, help='random seed, short for randomness.seed')
    parser.add_argument(
        '--tensorboard', action='store_true', help='write TensorBoard curves as well'
    )
    _common_arguments(parser)
    return parser


def test_parser() -> argparse.ArgumentParser:
    """Arguments of ``tools/test.py``: MMPretrain's, with their meaning."""
    parser = argparse.ArgumentParser(description='Test a model')
    parser.add_argument('config', help='path of the config')
    parser.add_argument('checkpoint', help='path or URL of the checkpoint')
    parser.add_argument('--work-dir', help='folder for the log and the metrics')
    parser.add_argument(
        '--out',
        help='file for the results: .json or .csv for per-class results, .pkl for predictions; '
        'results.json and results.npz in the work dir are always written',
    )
    parser.add_argument(
        '--out-item',
        choices=['metrics', 'pred'],
        help='what to write to --out. Defaults to per-class results for .json and .csv, else pred',
    )
    parser.add_argument('--amp', action='store_true', help='test in automatic mixed precision')
    parser.add_argument('--show-dir', help='folder for images with their predictions')
    parser.add_argument('--show', action='store_true', help='show predictions in a window')
    parser.add_argument('--interval', type=int, default=1, help='show every n-th image')
    parser.add_argument('--wait-time', type=float, default=2, help='seconds to show an image')
    parser.add_argument(
        '--tta',
        action='store_true',
        help='test-time augmentation: tta_model and tta_pipeline of the config, or else the '
        'average over the image and its mirror image',
    )
    _common_arguments(parser)
    return parser
