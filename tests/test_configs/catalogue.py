"""The configs of ``configs/``, loaded once a process, and what the tests need to know of them."""

import functools
import json
from pathlib import Path
from typing import Any, Dict, Iterator, List

from mmengine.config import Config

ROOT = Path(__file__).parents[2]
METHODS = ('cross_entropy', 'balanced_softmax', 'ldam_drw', 'supcon', 'bcl', 'rcl')


def all_configs() -> List[str]:
    """Every runnable config, as ``<method>/<file>.py``."""
    paths = (path.relative_to(ROOT / 'configs') for path in ROOT.glob('configs/*/*.py'))
    return sorted(path.as_posix() for path in paths if path.parts[0] != '_base_')


def benchmark_configs() -> List[str]:
    """Those with a known data set; configs for a user's own folder need that folder."""
    return [name for name in all_configs() if 'folder_lt' not in name]


@functools.cache
def load(name: str) -> Config:
    """A config; shared, so not to be changed."""
    return Config.fromfile(str(ROOT / 'configs' / name))


def key(*parts: Any) -> str:
    """Equal configs give equal keys."""
    return json.dumps(
        [part.to_dict() if hasattr(part, 'to_dict') else part for part in parts],
        sort_keys=True,
        default=repr,
    )


def flat(node: Any, prefix: str = '') -> Dict[str, Any]:
    """A config as dotted keys and plain values."""
    if isinstance(node, dict) and node:
        items: Iterator = iter(node.items())
    elif isinstance(node, (list, tuple)) and node and isinstance(node[0], (dict, list)):
        items = ((str(i), item) for i, item in enumerate(node))
    else:
        return {prefix: node}
    result = {}
    for name, value in items:
        result.update(flat(value, f'{prefix}.{name}' if prefix else str(name)))
    return result


ABSENT = '(absent)'
# What a run does; variables that only help to write a config are left out.
RUN_KEYS = (
    'model',
    'train_dataloader',
    'val_dataloader',
    'test_dataloader',
    'val_evaluator',
    'test_evaluator',
    'optim_wrapper',
    'param_scheduler',
    'train_cfg',
    'val_cfg',
    'test_cfg',
    'default_hooks',
    'custom_hooks',
    'env_cfg',
    'sync_bn',
    'auto_scale_lr',
    'randomness',
    'log_processor',
)


def differences(first: str, second: str) -> Dict[str, tuple]:
    """What differs between the runs of two configs: dotted key to both values."""
    one, other = (flat({k: load(name).get(k) for k in RUN_KEYS}) for name in (first, second))
    pairs = {k: (one.get(k, ABSENT), other.get(k, ABSENT)) for k in {*one, *other}}
    return {k: pair for k, pair in pairs.items() if pair[0] != pair[1]}


def training_pipeline(name: str) -> List[dict]:
    """The training pipeline, of the innermost data set; none where images are in memory."""
    dataset = load(name).train_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    return dataset.get('pipeline', [])


def number_of_views(name: str) -> int:
    """Views of each training image."""
    augments = load(name).model.data_preprocessor.get('view_augments')
    if augments:
        return len(augments)
    views = [t for t in training_pipeline(name) if t['type'] == 'ReproducibleMultiView']
    return sum(views[0]['num_views'])
