"""Compare configs: python tools/ablate.py [CONFIG ...] [--seeds 5 --baseline NAME ...]."""

import sys

from study.ablation import main

if __name__ == '__main__':
    sys.exit(main())
