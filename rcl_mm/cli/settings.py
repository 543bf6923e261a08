"""The settings of a config that MMEngine knows: which kinds and values they can have."""

from typing import Any, Callable, Dict, Iterator, NamedTuple, Tuple

from mmengine.config import Config
from mmengine.utils import is_seq_of

from rcl_mm.errors import InputError

LARGEST_SEED = 2**32 - 1
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
TEXT_OR_TEXTS = Rule(
    lambda value: isinstance(value, str) or is_seq_of(value, str), 'a string or a list of strings'
)
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
    'param_scheduler.*.begin': whole(0),
    'param_scheduler.*.end': EVERY,
    'param_scheduler.*.by_epoch': FLAG,
    'param_scheduler.*.start_factor': Rule(
        lambda value: _number(value) and 0 < value <= 1, 'a number above 0, at most 1'
    ),
    'default_hooks': optional(NAMED),
    'default_hooks.*': optional(PART),
    'default_hooks.*.interval': whole(-1),
    'default_hooks.*.max_keep_ckpts': whole(-1),
    'default_hooks.*.save_best': optional(TEXT_OR_TEXTS),
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
INNER_RULES = {'dataset': PART, 'datasets': PARTS, 'pipeline': PARTS}


def check_settings(cfg: Config) -> None:
    """Refuse settings of a wrong kind or value before anything is built or written.

    Args:
        cfg (Config): The config, complete or as its file has it.

    Raises:
        InputError: With the dotted name of the setting, its value and what is allowed.
    """
    for pattern, rule in RULES.items():
        for name, value in found(cfg, pattern):
            _check(name, value, rule)
    for loader in LOADERS:
        for name, value in inner_settings(cfg.get(loader) or {}, loader):
            _check(name, value, INNER_RULES[name.rpartition('.')[2]])


def _check(name: str, value: Any, rule: Rule) -> None:
    if not rule.allows(value):
        raise InputError(f'{name} is {_shown(value)}, allowed is {rule.allowed}')


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f'{text[:77]}...'


def found(node: Any, pattern: str, name: str = '') -> Iterator[Tuple[str, Any]]:
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
            yield from found(value, rest, path)
        else:
            yield path, value


def inner_settings(node: dict, name: str) -> Iterator[Tuple[str, Any]]:
    """Names and values of the data sets and pipelines in a loader's or a wrapper's config."""
    for key in INNER_RULES:
        if key not in node:
            continue
        value = node[key]
        yield f'{name}.{key}', value
        if key == 'dataset' and isinstance(value, dict):
            yield from inner_settings(value, f'{name}.{key}')
        elif key == 'datasets' and _is_parts(value):
            for index, one in enumerate(value):
                yield from inner_settings(one, f'{name}.{key}.{index}')
