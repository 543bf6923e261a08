"""The report of 50,000 test images: at most a minute and 2 GB, for thousands of classes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .fake_runs import fake_work_dir

MEASURE = """
import json, resource, sys, time
from rcl_mm.report.report import write_report
page = write_report(sys.argv[1:3], sys.argv[3])
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({'seconds': time.process_time(), 'gigabytes': memory, 'page': str(page)}))
"""


@pytest.mark.slow
@pytest.mark.parametrize(('num_classes', 'dim'), [(1000, 2048), (8142, 2048)])
def test_write_report__fifty_thousand_images__bounded(tmp_path, num_classes, dim):
    options = dict(num_classes=num_classes, num_samples=50_000, dim=dim)
    runs = [
        fake_work_dir(tmp_path / 'rcl', tail_bonus=0.5, **options),
        fake_work_dir(tmp_path / 'ce', loss='CrossEntropyLoss', head='LinearClsHead', **options),
    ]
    command = [sys.executable, '-c', MEASURE, *map(str, runs), str(tmp_path / 'report')]
    measured = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    # Of one core: other processes of the machine do not count.
    assert measured['seconds'] <= 60
    assert measured['gigabytes'] <= 2
    assert Path(measured['page']).stat().st_size < 15e6
