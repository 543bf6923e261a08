"""Look at a training set before training: python tools/inspect_data.py CONFIG [-o FOLDER]."""

import argparse
import sys
from pathlib import Path

from rcl_mm.cli.arguments import CFG_OPTIONS_HELP, SettingsAction
from rcl_mm.cli.data_options import merge_options, warn_of_unknown_names
from rcl_mm.report.data_summary import inspect_config, summary_text, write_summary
from rcl_mm.runtime.compat import filter_needless_warnings, mend_missing_pkg_resources
from rcl_mm.runtime.configs import read_config
from rcl_mm.runtime.errors import report_errors


def parse_args(arguments=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Class frequencies of the training set of a config, with first warning signs'
    )
    parser.add_argument('config', help='path of the config')
    parser.add_argument(
        '-o',
        '--out',
        help='folder for class_frequency.png and class_counts.csv. Defaults to '
        'work_dirs/inspect_data/CONFIG',
    )
    parser.add_argument('--cfg-options', nargs='+', action=SettingsAction, help=CFG_OPTIONS_HELP)
    parser.add_argument('--debug', action='store_true', help='show the traceback of every error')
    return parser.parse_args(arguments)


def inspect(args: argparse.Namespace) -> None:
    filter_needless_warnings()
    mend_missing_pkg_resources()
    config = read_config(args.config)
    warn_of_unknown_names(config, args.cfg_options)
    merge_options(config, args.cfg_options)
    summary = inspect_config(config)
    print(summary_text(summary))
    out = args.out or Path('work_dirs', 'inspect_data', Path(args.config).stem)
    print('written: ' + ', '.join(str(path) for path in write_summary(summary, out)))


def main(arguments=None) -> int:
    args = parse_args(arguments)
    return report_errors(lambda: inspect(args), args.debug)


if __name__ == '__main__':
    sys.exit(main())
