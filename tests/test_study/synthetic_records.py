"""Results of runs that were never run, for the tables' tests."""

from dataclasses import asdict
from typing import Any, Dict, Optional

from study.pool import Run

VERSIONS = {'python': '3.11.7', 'torch': '2.14.1', 'mmengine': '0.10.7', 'mmpretrain': '1.2.0'}


def record_of(run: Run, metrics: Optional[Dict[str, float]] = None, **changes: Any) -> dict:
    """A record as ``execute_run`` writes it."""
    return {
        'format': 1,
        **asdict(run),
        'digest': run.name,
        'epochs': 60,
        'iterations': 300,
        'resumed': False,
        'metrics': {'long_tail/balanced': 80.0} if metrics is None else metrics,
        'best_on_val': None,
        'device': 'a device',
        'threads': 1,
        'duration': 36.0,
        'commit': '0123456789abcdef',
        'time': '2026-01-02T03:04:05+00:00',
        'versions': VERSIONS,
        **changes,
    }


def make_record(method: str, seed: int, balanced: float, **factors: Any) -> dict:
    """A record of a method with one metric."""
    name = '/'.join([method, *map(str, factors.values()), f'seed{seed}'])
    run = Run(name, 'configs/x.py', seed, factors={'method': method, **factors})
    return record_of(run, {'long_tail/balanced': balanced})
