"""Classify images: python tools/predict.py CHECKPOINT IMAGE_OR_FOLDER [--out CSV ...]."""

import sys

from rcl_mm.cli.predict import main

if __name__ == '__main__':
    sys.exit(main())
