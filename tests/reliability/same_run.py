"""Comparing two runs to the last bit."""

import json
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import torch

from rcl_mm.runtime.checkpoint import load_checkpoint_file

# What a checkpoint says about its own making, and not about the training.
CIRCUMSTANCES = ('experiment_name', 'time', 'cfg', 'mmengine_version', 'last_ckpt', 'best_ckpt')
TIMINGS = ('time', 'data_time', 'memory', 'eta', 'step')


def differences(one: Any, other: Any, path: str = '') -> List[str]:
    """Paths of everything that is not bitwise equal in two nested structures."""
    if isinstance(one, dict) and isinstance(other, dict):
        found = [f'{path}/{key} is in one only' for key in one.keys() ^ other.keys()]
        for key in one.keys() & other.keys():
            found += differences(one[key], other[key], f'{path}/{key}')
        return found
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        if len(one) != len(other):
            return [f'{path} has {len(one)} and {len(other)} elements']
        return [
            d for i, (a, b) in enumerate(zip(one, other)) for d in differences(a, b, f'{path}/{i}')
        ]
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        same = one.dtype == other.dtype and torch.equal(one, other)
    elif isinstance(one, np.ndarray):
        same = np.array_equal(one, other)
    else:
        same = type(one) is type(other) and one == other
    return [] if same else [f'{path}: {str(one)[:60]} and {str(other)[:60]}']


def checkpoint_differences(one: Path, other: Path) -> List[str]:
    """What differs in two checkpoints beside the circumstances of their making."""
    return differences(_comparable(one), _comparable(other))


def _comparable(path: Path) -> Dict[str, Any]:
    checkpoint = load_checkpoint_file(path)
    checkpoint.get('resume_state', {}).pop('run', None)
    for name in CIRCUMSTANCES:
        checkpoint['meta'].pop(name, None)
        checkpoint['message_hub']['runtime_info'].pop(name, None)
    scalars = checkpoint['message_hub']['log_scalars']
    checkpoint['message_hub']['log_scalars'] = {
        name: buffer.data for name, buffer in scalars.items() if not name.endswith(TIMINGS)
    }
    return checkpoint


def logged(work_dir: Path) -> Dict[tuple, Dict[str, float]]:
    """Logged values in a work dir by (kind, step); those of a later run replace earlier ones."""
    lines = {}
    for file in sorted(work_dir.glob('*/vis_data/scalars.json'), key=lambda f: f.stat().st_mtime):
        for line in file.read_text().splitlines():
            values = json.loads(line)
            kind = 'train' if 'lr' in values else 'val'
            values_kept = {k: v for k, v in values.items() if k not in TIMINGS}
            lines[kind, values['step']] = values_kept
    return lines
