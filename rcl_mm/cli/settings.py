"""The settings of a config that MMEngine knows: which kinds and values they can have."""

import difflib
import inspect
from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional, Sequence, Tuple

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

from rcl_mm.errors import InputError
from rcl_mm.runtime.building import check_part

LARGEST_SEED = 2**32 - 1
#: What MMEngine takes from a data loader's settings itself; torch's DataLoader gets the rest.
OF_MMENGINE = ('num_batch_per_epoch',)
LOG_LEVELS = ('DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL')


class Rule(NamedTuple):
    """Which values a setting can have."""

    allows: Callable[[Any], bool]
    allowed: str


def _number(value: Any, kinds: tuple = (int, float)) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def whole(low: int, high: float = float('inf'), text: str = '') -> Rule:
    """A whole number in a range."""
    return Rule(
        lambda value: _number(value, (int,)) and low <= value <= high,
        f'a whole number, {text or f"{low} or more"}',
    )


def number(low: float = float('-inf'), below: float = float('inf'), text: str = '') -> Rule:
    """A finite number, at least ``low`` and below ``below``."""
    return Rule(lambda value: _number(value) and low <= value < below, f'a number{text}')


def optional(rule: Rule) -> Rule:
    """The rule, or None."""
    return Rule(lambda value: value is None or rule.allows(value), f'{rule.allowed}, or None')


def _is_parts(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(one, dict) for one in value)


NAMED = Rule(lambda value: isinstance(value, dict), 'a dict')
PART = Rule(lambda value: isinstance(value, dict), 'a dict(type=...)')
PARTS = Rule(_is_parts, 'a list of dict(type=...)')
PART_OR_PARTS = Rule(
    lambda value: isinstance(value, dict) or _is_parts(value), 'a dict(type=...) or a list of them'
)
TEXT = Rule(lambda value: isinstance(value, str), 'a string')
FLAG = Rule(lambda value: isinstance(value, bool), 'True or False')
POSITIVE = number(text=' above 0')
EVERY = whole(1)
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')

#: Dotted paths to rules; "*" stands for every item of a list or dict. Settings inside others come
#: after them.
RULES: Dict[str, Rule] = {
    'model': PART,
    'model.backbone': PART,
    'model.neck': optional(PART_OR_PARTS),
    'model.head': PART_OR_PARTS,
    'model.head.loss': PART,
    'data_preprocessor': optional(NAMED),
    'model.data_preprocessor': optional(NAMED),
    'optim_wrapper': optional(PART),
    'optim_wrapper.optimizer': PART,
    'optim_wrapper.optimizer.lr': number(0, text=', 0 or more'),
    'optim_wrapper.optimizer.momentum': number(0, 1, ', 0 or more and below 1'),
    'optim_wrapper.optimizer.weight_decay': number(0, text=', 0 or more'),
    'optim_wrapper.clip_grad': optional(NAMED),
    'optim_wrapper.paramwise_cfg': optional(NAMED),
    'optim_wrapper.accumulative_counts': EVERY,
    'param_scheduler': optional(PART_OR_PARTS),
    'default_hooks': optional(NAMED),
    'default_hooks.*': optional(PART),
    'custom_hooks': optional(PARTS),
    'visualizer': optional(PART),
    'visualizer.vis_backends': optional(PARTS),
    'env_cfg': NAMED,
    'env_cfg.mp_cfg': NAMED,
    'env_cfg.dist_cfg': NAMED,
    'log_processor': optional(NAMED),
    'log_processor.window_size': EVERY,
    'log_level': Rule(
        lambda value: _number(value, (int,)) or value in LOG_LEVELS, f'one of {LOG_LEVELS}'
    ),
    'default_scope': optional(TEXT),
    'work_dir': optional(TEXT),
    'experiment_name': optional(TEXT),
    'load_from': optional(TEXT),
    'resume': Rule(lambda value: value is None or isinstance(value, (bool, str)), 'True or False'),
    'randomness': NAMED,
    'randomness.seed': optional(whole(0, LARGEST_SEED, f'0 to {LARGEST_SEED}')),
    'randomness.deterministic': FLAG,
    'randomness.diff_rank_seed': FLAG,
    'auto_scale_lr': optional(NAMED),
    'auto_scale_lr.base_batch_size': EVERY,
    'auto_scale_lr.enable': FLAG,
    'tta_model': optional(PART),
    'tta_pipeline': optional(PARTS),
    'train_cfg': optional(NAMED),
    'train_cfg.max_epochs': EVERY,
    'train_cfg.max_iters': EVERY,
    'train_cfg.val_begin': whole(0),
    'train_cfg.val_interval': EVERY,
    'val_cfg': optional(NAMED),
    'test_cfg': optional(NAMED),
    'val_evaluator': optional(PART_OR_PARTS),
    'test_evaluator': optional(PART_OR_PARTS),
    **{
        path.replace('LOADER', loader): rule
        for loader in LOADERS
        for path, rule in {
            'LOADER': optional(NAMED),
            'LOADER.dataset': PART,
            'LOADER.sampler': optional(PART),
            'LOADER.batch_sampler': optional(PART),
            'LOADER.collate_fn': PART,
            'LOADER.worker_init_fn': optional(PART),
            'LOADER.batch_size': EVERY,
            'LOADER.num_workers': whole(0),
            'LOADER.num_batch_per_epoch': optional(EVERY),
            'LOADER.prefetch_factor': optional(EVERY),
            'LOADER.timeout': number(0, text=', 0 or more'),
            'LOADER.persistent_workers': FLAG,
            'LOADER.pin_memory': FLAG,
            'LOADER.drop_last': FLAG,
        }.items()
    },
}
#: Rules of what data sets and their wrappers hold, at any depth.
INNER_RULES = {'dataset': PART, 'datasets': PARTS, 'pipeline': optional(PARTS)}
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
#: MMEngine's own types where a config names none.
DEFAULT_TYPES = {
    'train_cfg': 'EpochBasedTrainLoop',
    'val_cfg': 'ValLoop',
    'test_cfg': 'TestLoop',
    'visualizer': 'Visualizer',
    'optim_wrapper': 'OptimWrapper',
}


def check_settings(cfg: Config) -> None:
    """Refuse settings of a wrong kind or value before anything is built or written.

    Args:
        cfg (Config): The config, complete or as its file has it.

    Raises:
        InputError: With the dotted name of the setting, its value and what is allowed.
    """
    for pattern, rule in RULES.items():
        for name, value in _found(cfg, pattern):
            _check(name, value, rule)
    for loader in LOADERS:
        for name, value in _inner(cfg.get(loader) or {}, loader):
            _check(name, value, INNER_RULES[name.rpartition('.')[2]])


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
        for name, part in _found(cfg, pattern):
            if isinstance(part, dict) and not {'metrics', 'by_epoch'} & {*part}:
                default = DEFAULT_TYPES.get(name)
                part = {'type': default, **part} if default else part
                check_part(name, part, registry, scope, beside)
    for loader in LOADERS:
        settings = cfg.get(loader) or {}
        for name, value in _inner(settings, loader):
            registry = INNER_BUILT_BY[name.rpartition('.')[2]]
            for part in [value] if isinstance(value, dict) else value or ():
                check_part(name, part, registry, scope)
        _check_loader(loader, settings)


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


def _check(name: str, value: Any, rule: Rule) -> None:
    if not rule.allows(value):
        raise InputError(f'{name} is {_shown(value)}, allowed is {rule.allowed}')


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f'{text[:77]}...'


def _found(node: Any, pattern: str, name: str = '') -> Iterator[Tuple[str, Any]]:
    """Names and values of what a dotted path with "*" leads to; nothing if it is not there."""
    head, _, rest = pattern.partition('.')
    if isinstance(node, (list, tuple)):
        children = enumerate(node) if head == '*' else ()
    elif isinstance(node, (dict, Config)):
        children = node.items() if head == '*' else [(head, node[head])] if head in node else ()
    else:
        children = ()
    for key, value in children:
        path = f'{name}.{key}' if name else str(key)
        if rest:
            yield from _found(value, rest, path)
        else:
            yield path, value


def _inner(node: dict, name: str) -> Iterator[Tuple[str, Any]]:
    """Names and values of the data sets and pipelines in a loader's or a wrapper's config."""
    for key in INNER_RULES:
        if key not in node:
            continue
        value = node[key]
        yield f'{name}.{key}', value
        if key == 'dataset' and isinstance(value, dict):
            yield from _inner(value, f'{name}.{key}')
        elif key == 'datasets' and _is_parts(value):
            for index, one in enumerate(value):
                yield from _inner(one, f'{name}.{key}.{index}')
