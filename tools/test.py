"""Test a checkpoint: python tools/test.py CONFIG CHECKPOINT [--work-dir DIR --out FILE ...]."""

import sys

from rcl_mm.engine.launch import main

if __name__ == '__main__':
    sys.exit(main('test'))
