"""Train a model: python tools/train.py CONFIG [--work-dir DIR --resume [CKPT] --amp ...]."""

from rcl_mm.cli.launch import leave, main

if __name__ == '__main__':
    leave(main('train'))
