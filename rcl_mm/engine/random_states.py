"""Random states of a process as tensors and plain values, which a checkpoint can hold safely."""

import random
from typing import Any, Dict

import numpy as np
import torch


def get_random_states() -> Dict[str, Any]:
    """States of the generators of Python, numpy and torch, and of this process's CUDA device."""
    version, words, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state()
    states = dict(
        python=dict(version=version, words=torch.tensor(words, dtype=torch.int64), gauss=gauss),
        numpy=dict(
            kind=kind,
            keys=torch.from_numpy(keys.astype(np.int64)),
            position=int(position),
            has_gauss=int(has_gauss),
            cached=float(cached),
        ),
        torch=torch.get_rng_state(),
    )
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states['cuda'] = torch.cuda.get_rng_state()
    return states


def set_random_states(states: Dict[str, Any]) -> None:
    """Put back what :func:`get_random_states` gave.

    Raises:
        KeyError, TypeError, ValueError: If they are not such states.
    """
    python, numpy = states['python'], states['numpy']
    random.setstate((python['version'], tuple(python['words'].tolist()), python['gauss']))
    np.random.set_state(
        (
            numpy['kind'],
            numpy['keys'].cpu().numpy().astype(np.uint32),
            numpy['position'],
            numpy['has_gauss'],
            numpy['cached'],
        )
    )
    torch.set_rng_state(states['torch'].cpu())
    if 'cuda' in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states['cuda'].cpu())
