"""Export to ONNX: python tools/export_onnx.py CHECKPOINT -o MODEL.onnx."""

import sys

from rcl_mm.cli.export_onnx import main

if __name__ == '__main__':
    sys.exit(main())
