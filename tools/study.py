"""The study: python tools/study.py [run] [--part sweep digits ...] | collect | restore | tables."""

import sys

from study.main import main

if __name__ == '__main__':
    sys.exit(main())
