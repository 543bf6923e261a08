"""The parts that a config names: their types, their arguments, and what belongs together."""

import difflib
import inspect
from typing import Any, Dict, Iterator, Optional, Sequence, Tuple

from mmengine.config import Config
from mmengine.registry import (
    DATA_SAMPLERS,
    DATASETS,
    HOOKS,
    LOOPS,
    METRICS,
    MODELS,
    OPTIM_WRAPPERS,
    OPTIMIZERS,
    PARAM_SCHEDULERS,
    TRANSFORMS,
    VISBACKENDS,
    VISUALIZERS,
    Registry,
)
from torch.utils.data import DataLoader

from rcl_mm.cli.settings import LOADERS, found, inner_settings
from rcl_mm.errors import InputError
from rcl_mm.runtime.building import check_part, class_of

#: What MMEngine takes from a data loader's settings itself; torch's DataLoader gets the rest.
OF_MMENGINE = ('num_batch_per_epoch',)
INNER_BUILT_BY = {'dataset': DATASETS, 'datasets': DATASETS, 'pipeline': TRANSFORMS}
#: Where which registry builds a part, and what may stand beside its arguments there; None where
#: the rest is for others.
BUILT_BY: Dict[str, Tuple[Registry, Optional[Tuple[str, ...]]]] = {
    'model': (MODELS, ()),
    'model.backbone': (MODELS, ()),
    'model.head': (MODELS, ()),
    'model.head.loss': (MODELS, ()),
    'optim_wrapper': (OPTIM_WRAPPERS, None),
    'optim_wrapper.optimizer': (OPTIMIZERS, ()),
    'param_scheduler.*': (PARAM_SCHEDULERS, ('convert_to_iter_based', 'epoch_length')),
    'default_hooks.*': (HOOKS, ('priority',)),
    'custom_hooks.*': (HOOKS, ('priority',)),
    'visualizer': (VISUALIZERS, ()),
    'visualizer.vis_backends.*': (VISBACKENDS, ()),
    'val_evaluator': (METRICS, ()),
    'val_evaluator.*': (METRICS, ()),
    'test_evaluator': (METRICS, ()),
    'test_evaluator.*': (METRICS, ()),
    'train_cfg': (LOOPS, ('by_epoch',)),
    'val_cfg': (LOOPS, ()),
    'test_cfg': (LOOPS, ()),
    **{f'{loader}.sampler': (DATA_SAMPLERS, ()) for loader in LOADERS},
    **{f'{loader}.batch_sampler': (DATA_SAMPLERS, ()) for loader in LOADERS},
}
#: Settings of one loop, which are given together or not at all.
TOGETHER = (
    ('train_dataloader', 'train_cfg', 'optim_wrapper'),
    ('val_dataloader', 'val_cfg', 'val_evaluator'),
    ('test_dataloader', 'test_cfg', 'test_evaluator'),
)
#: Where a config names a figure of the validation to wait for.
MONITORS = (
    'default_hooks.*.save_best',
    'custom_hooks.*.save_best',
    'custom_hooks.*.monitor',
    'param_scheduler.*.monitor',
)
WITHOUT_PREFIX = ('param_scheduler.*.monitor',)
#: MMEngine's own types where a config names none.
DEFAULT_TYPES = {
    'train_cfg': 'EpochBasedTrainLoop',
    'val_cfg': 'ValLoop',
    'test_cfg': 'TestLoop',
    'visualizer': 'Visualizer',
    'optim_wrapper': 'OptimWrapper',
}


def check_parts(cfg: Config) -> None:
    """Refuse types and arguments that the registries do not know, before anything is written.

    Args:
        cfg (Config): The complete config, see :func:`check_settings`.

    Raises:
        InputError: With the dotted name of the part.
    """
    scope = cfg.get('default_scope') or 'mmengine'
    for names in TOGETHER:
        _check_together(cfg, names)
    for pattern, (registry, beside) in BUILT_BY.items():
        for name, part in found(cfg, pattern):
            if isinstance(part, dict) and 'metrics' not in part:
                default = DEFAULT_TYPES.get(name)
                if name == 'train_cfg' and not part.get('by_epoch', True):
                    default = 'IterBasedTrainLoop'
                part = {'type': default, **part} if default else part
                check_part(name, part, registry, scope, beside)
    for loader in LOADERS:
        settings = cfg.get(loader) or {}
        for name, value in inner_settings(settings, loader):
            registry = INNER_BUILT_BY[name.rpartition('.')[2]]
            for part in [value] if isinstance(value, dict) else value or ():
                check_part(name, part, registry, scope)
        _check_loader(loader, settings)
    _check_monitors(cfg, scope)


def _check_together(cfg: Config, names: Sequence[str]) -> None:
    """Refuse a loop of which a part is missing, in MMEngine's terms."""
    missing = [name for name in names if cfg.get(name) is None]
    if missing and len(missing) < len(names):
        there = [name for name in names if name not in missing]
        raise InputError(
            f'{" and ".join(missing)} is None or missing while {" and ".join(there)} is given: '
            'give all of them or none'
        )


def _check_loader(name: str, settings: dict) -> None:
    """Refuse what neither MMEngine nor torch's DataLoader takes."""
    known = {*inspect.signature(DataLoader).parameters, *OF_MMENGINE}
    for key in settings:
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            hint = (
                f'did you mean {close[0]}?' if close else f'allowed are {", ".join(sorted(known))}'
            )
            raise InputError(f'{name}: DataLoader has no argument {key!r}: {hint}')


def _check_monitors(cfg: Config, scope: str) -> None:
    """Refuse to wait for a figure that no metric of the validation makes: it is a KeyError later.

    A metric's figures begin with its prefix; what its figures are called behind it only it knows.
    """
    prefixes = list(_prefixes(cfg.get('val_evaluator'), scope))
    if not prefixes or None in prefixes:
        return
    for pattern in MONITORS:
        for name, value in found(cfg, pattern):
            for key in value if isinstance(value, (list, tuple)) else [value]:
                # Only a schedule can follow a figure of training, which has no prefix.
                known = not isinstance(key, str) or key == 'auto' or pattern in WITHOUT_PREFIX
                if not (known and '/' not in str(key)) and key.rpartition('/')[0] not in prefixes:
                    raise InputError(
                        f'{name} is {key!r}, but the figures of val_evaluator begin with '
                        f'{" or ".join(f"{one}/" for one in prefixes)}: give one of them'
                    )


def _prefixes(evaluator: Any, scope: str) -> Iterator[Optional[str]]:
    """What the figures of each metric begin with, None where it is not known."""
    if isinstance(evaluator, dict) and 'metrics' in evaluator:
        evaluator = evaluator['metrics']
    for metric in [evaluator] if isinstance(evaluator, dict) else evaluator or ():
        kind, problem = class_of(metric, METRICS, scope)
        default = getattr(kind, 'default_prefix', None) if problem is None else None
        yield metric.get('prefix') or default
