"""Write a report of one or more runs: python tools/report.py WORK_DIR [WORK_DIR ...] -o report/."""

import argparse
import sys

from rcl_mm.report.report import write_report
from rcl_mm.runtime.errors import report_errors


def parse_args(arguments=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Write a report (index.html and figures) of runs that tools/test.py tested'
    )
    parser.add_argument(
        'work_dirs',
        nargs='+',
        metavar='WORK_DIR',
        help='work dir of a run, or NAME=WORK_DIR; work dirs with one name, or whose configs '
        'differ in the seed alone, are seeds of one method; the first method is compared with '
        'each other one',
    )
    parser.add_argument('-o', '--out', default='report', help='folder. Defaults to report')
    parser.add_argument(
        '--space',
        choices=['feature', 'embedding'],
        default='feature',
        help='feature space to show: what the classifier scores, or where the contrastive loss '
        'acts. Defaults to feature',
    )
    parser.add_argument('--debug', action='store_true', help='show the traceback of every error')
    return parser.parse_args(arguments)


def main(arguments=None) -> int:
    args = parse_args(arguments)
    return report_errors(
        lambda: print(f'report: {write_report(args.work_dirs, args.out, args.space)}'), args.debug
    )


if __name__ == '__main__':
    sys.exit(main())
