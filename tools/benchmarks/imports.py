"""What importing rcl_mm adds to importing MMPretrain.

MMPretrain is taken with the parts that every run imports (models, data sets, metrics, ...): their
classes are the bases of ours. Each figure is from a fresh process; processor time, so that other
processes count little.

Example:
    python tools/benchmarks/imports.py
"""

import subprocess
import sys
from typing import List, Tuple

from measuring import fresh_processes_main, spread

TARGET = 0.3
PARTS = 'models', 'datasets', 'evaluation', 'engine', 'visualization'
PROGRAM = f"""
import time, warnings
warnings.filterwarnings('ignore')
start = time.process_time()
import mmpretrain, {', '.join('mmpretrain.' + part for part in PARTS)}
middle = time.process_time()
import rcl_mm
print(middle - start, time.process_time() - middle)
"""


def measure() -> Tuple[float, float]:
    """Processor seconds of MMPretrain, and of rcl_mm after it."""
    result = subprocess.run(
        [sys.executable, '-c', PROGRAM], check=True, capture_output=True, text=True
    )
    first, second = result.stdout.split()[-2:]
    return float(first), float(second)


def run(rounds: int) -> List[tuple]:
    """Rows of the table."""
    measure()  # Python's byte code and the disk's cache
    base, added = zip(*[measure() for _ in range(rounds)])
    middle, low, high = spread(added)
    met = 'met' if middle <= TARGET else 'MISSED'
    first, second, third = spread(base)
    return [
        ('import mmpretrain and its parts, s', f'{first:.2f} ({second:.2f}-{third:.2f})', '-', '-'),
        ('import rcl_mm after it, s', f'{middle:.2f} ({low:.2f}-{high:.2f})', f'<= {TARGET}', met),
    ]


if __name__ == '__main__':
    fresh_processes_main('Import', __doc__.splitlines()[0], run)
