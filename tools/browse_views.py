"""Draw the augmented views that a config trains on.

    python tools/browse_views.py configs/rcl/resnet8_digits_lt.py -o views.png

One row per image, from the head class to the tail: the image, then each view as the network gets
it (augmentation on the device included), before normalisation.
"""

import argparse
import sys

from rcl_mm.cli.arguments import CFG_OPTIONS_HELP, SettingsAction
from rcl_mm.cli.data_options import merge_options, warn_of_unknown_names
from rcl_mm.report.browse import draw_views, training_views
from rcl_mm.runtime.configs import read_config
from rcl_mm.runtime.errors import report_errors


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('-o', '--output', default='views.png', help='PNG (default: %(default)s)')
    parser.add_argument('-n', '--num-images', type=int, default=6, help='default: %(default)s')
    parser.add_argument('--epoch', type=int, default=0, help='whose draws (default: %(default)s)')
    parser.add_argument('--cfg-options', nargs='+', action=SettingsAction, help=CFG_OPTIONS_HELP)
    return parser.parse_args()


def main() -> int:
    args = parse_args()

    def run():
        cfg = read_config(args.config)
        warn_of_unknown_names(cfg, args.cfg_options)
        merge_options(cfg, args.cfg_options)
        images = training_views(cfg, args.num_images, args.epoch)
        draw_views(images, args.output)
        print(f'{len(images)} images with {len(images[0].views)} views each: {args.output}')

    return report_errors(run)


if __name__ == '__main__':
    sys.exit(main())
