"""Test a checkpoint: python tools/test.py CONFIG CHECKPOINT [--work-dir DIR --out FILE ...]."""

from rcl_mm.cli.launch import leave, main

if __name__ == '__main__':
    leave(main('test'))
