"""Turn an MMPretrain config into RCL: python tools/convert_config.py CONFIG -o NEW.py [...]."""

import sys

from rcl_mm.cli.convert import main

if __name__ == '__main__':
    sys.exit(main())
