"""What ``tools/convert_config.py`` does."""

import argparse
import os
import os.path as osp
from typing import Optional, Sequence

from rcl_mm.cli.arguments import CFG_OPTIONS_HELP, SettingsAction
from rcl_mm.cli.data_options import merge_options_for_conversion
from rcl_mm.cli.launch import load_config
from rcl_mm.conversion.convert import config_diff, convert_config
from rcl_mm.runtime.errors import UsageError, report_errors


def convert_parser() -> argparse.ArgumentParser:
    """Arguments of ``tools/convert_config.py``."""
    parser = argparse.ArgumentParser(
        description='Turn an MMPretrain classification config into RCL and show what changed'
    )
    parser.add_argument('config', help='path of the config')
    parser.add_argument(
        '-o', '--out', help='config file to write; without it only the diff is shown'
    )
    parser.add_argument(
        '--views',
        type=int,
        choices=(2, 3),
        default=3,
        help='3: one for the classifier, two for the contrastive branch (BCL); 2: both in both',
    )
    parser.add_argument(
        '--drop-batch-augments',
        action='store_true',
        help='take mixup and cutmix out instead of refusing the config',
    )
    parser.add_argument(
        '--class-counts',
        help='JSON or list file with the class counts. Defaults to the training set at run time',
    )
    parser.add_argument('--cfg-options', nargs='+', action=SettingsAction, help=CFG_OPTIONS_HELP)
    parser.add_argument('--debug', action='store_true', help='show the full traceback of an error')
    return parser


def convert_file(args: argparse.Namespace) -> str:
    """Convert as the arguments say, write the file if asked to; returns the diff.

    Raises:
        UsageError: If the output would replace the input, or is no Python file.
        ConversionError: If the config cannot be converted; nothing is written then.
    """
    args.local_rank = 0
    if args.out is not None:
        if osp.splitext(args.out)[1] != '.py':
            raise UsageError(f'-o "{args.out}" is no .py file: a config is Python')
        if osp.realpath(args.out) == osp.realpath(args.config):
            raise UsageError(f'-o "{args.out}" is the config itself: give another name')
    before = load_config(args)
    merge_options_for_conversion(before, args.cfg_options)
    after, notes = convert_config(
        before,
        views=args.views,
        drop_batch_augments=args.drop_batch_augments,
        class_counts=args.class_counts,
    )
    diff = config_diff(before, after, args.config)
    print(diff)
    for note in notes:
        print(f'note: {note}')
    if args.out is not None:
        os.makedirs(osp.dirname(osp.abspath(args.out)), exist_ok=True)
        after.dump(args.out)
        print(f'written: {args.out}')
    return diff


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Entry of the tool; returns its exit code."""
    args = convert_parser().parse_args(arguments)
    return report_errors(lambda: convert_file(args), debug=args.debug)
