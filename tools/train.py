"""Train a model: python tools/train.py CONFIG [--work-dir DIR --resume [CKPT] --amp ...]."""

import sys

from rcl_mm.engine.launch import main

if __name__ == '__main__':
    sys.exit(main('train'))
