"""Check a data set before training: what is missing or wrong, and where to get it.

    python tools/prepare_data.py imagenet_lt data/imagenet
    python tools/prepare_data.py cifar10_jpeg path/to/cifar10_jpeg.zip

Exit code 0: ready, class counts written as JSON. 1: something is missing or wrong. 2: wrong usage.
"""

import argparse
import sys

from rich.console import Console

from rcl_mm.datasets.prepare import NAMES, prepare_data
from rcl_mm.runtime.errors import one_line, print_any_name


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('name', choices=NAMES, help='data set')
    parser.add_argument('root', help='data_root of the config (cifar10_jpeg: or the zip)')
    parser.add_argument('--fast', action='store_true', help='do not decode the images')
    parser.add_argument(
        '--into', default='data', help='where cifar10_jpeg is unpacked (default: %(default)s)'
    )
    parser.add_argument(
        '--make-lists', action='store_true', help='inaturalist2018: lists from the JSON files'
    )
    parser.add_argument(
        '--imbalance-factor', type=float, help='write the class counts of this long-tailed subset'
    )
    parser.add_argument('--imbalance-type', choices=('exp', 'step'), default='exp')
    parser.add_argument('-o', '--output', help='JSON file (default: ROOT/NAME_class_counts.json)')
    parser.add_argument('--workers', type=int, help='threads (default: number of CPUs)')
    parser.add_argument(
        '--max-shown', type=int, default=5, help='lines of each kind of problem (default: 5)'
    )
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    print_any_name()
    console = Console()
    try:
        report = prepare_data(
            args.name,
            args.root,
            fast=args.fast,
            into=args.into,
            make_lists=args.make_lists,
            imbalance_factor=args.imbalance_factor,
            imbalance_type=args.imbalance_type,
            output=args.output,
            workers=args.workers,
            console=console,
        )
    except (ValueError, OSError) as error:
        print(f'prepare_data: {one_line(error)}', file=sys.stderr)
        return 2
    report.render(console, args.max_shown)
    return 0 if report.ok else 1


if __name__ == '__main__':
    sys.exit(main())
