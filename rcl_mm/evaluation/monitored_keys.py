"""The metrics that hooks and schedules watch, and the keys that evaluators give."""

from typing import Any, Iterator, List, NamedTuple, Optional, Set

from mmengine.config import Config

from rcl_mm.errors import InputError
from rcl_mm.runtime.config_types import is_type, type_name

PREFIXES = {
    'Accuracy': 'accuracy',
    'SingleLabelMetric': 'single-label',
    'LongTailMetric': 'long_tail',
    'FeatureSpaceMetric': 'feature_space',
}
LONG_TAIL = ('top1', 'balanced', 'many', 'medium', 'few', 'worst', 'ece')
FEATURE_SPACE = ('compactness', 'nc1', 'angle_mean', 'angle_std', 'angle_min')
FEATURE_SPACE += ('simplex_distance', 'alignment', 'uniformity')
GROUPS = ('', '_many', '_medium', '_few')


class Monitor(NamedTuple):
    """A setting that names a metric: ``part[name]``, a key or a list of keys."""

    where: str
    part: dict
    name: str

    @property
    def keys(self) -> List[str]:
        value = self.part.get(self.name, 'loss')
        return [one for one in (value if isinstance(value, (list, tuple)) else [value]) if one]


def monitors(cfg: Config) -> Iterator[Monitor]:
    """The settings of a config that name a metric of the validation.

    ``save_best`` of checkpoint hooks, ``monitor`` of hooks that stop early, and of schedules that
    wait for a plateau.
    """
    hooks = cfg.get('default_hooks') or {}
    places = [(f'default_hooks.{name}', hook) for name, hook in hooks.items()]
    places += [('custom_hooks', hook) for hook in cfg.get('custom_hooks') or ()]
    for where, hook in places:
        if is_type(hook, 'CheckpointHook', 'AtomicCheckpointHook') and hook.get('save_best'):
            yield Monitor(f'{where}.save_best', hook, 'save_best')
        if is_type(hook, 'EarlyStoppingHook') and hook.get('monitor'):
            yield Monitor(f'{where}.monitor', hook, 'monitor')
    for schedule in _schedules(cfg.get('param_scheduler')):
        if (type_name(schedule) or '').startswith('ReduceOnPlateau'):
            yield Monitor('param_scheduler.monitor', schedule, 'monitor')


def _schedules(node: Any) -> Iterator[dict]:
    """Schedules of one optimizer, or of several by name."""
    if isinstance(node, dict) and 'type' not in node:
        node = list(node.values())
    for one in node if isinstance(node, (list, tuple)) else [node]:
        if isinstance(one, dict) and 'type' in one:
            yield one
        elif one:
            yield from _schedules(one)


def evaluator_metrics(evaluator: Any) -> Optional[List[dict]]:
    """The metrics of an evaluator's config; None if it is another kind of evaluator."""
    if is_type(evaluator, 'Evaluator'):
        evaluator = evaluator.get('metrics') or []
    metrics = list(evaluator) if isinstance(evaluator, (list, tuple)) else [evaluator]
    known = all(isinstance(one, dict) for one in metrics)
    named = known and not any(str(type_name(one)).endswith('Evaluator') for one in metrics)
    return metrics if named else None


def metric_prefix(metric: dict) -> Optional[str]:
    """The prefix of a metric's keys; None if it is not known."""
    return metric.get('prefix') or PREFIXES.get(type_name(metric))


def metric_keys(metric: dict) -> Optional[Set[str]]:
    """The keys that a metric can give; None for one that is not known."""
    kind = type_name(metric)
    if kind not in PREFIXES:
        return None
    if kind == 'LongTailMetric':
        names = list(LONG_TAIL)
    elif kind == 'FeatureSpaceMetric':
        names = [name + group for name in FEATURE_SPACE for group in GROUPS]
    elif kind == 'Accuracy':
        topk = metric.get('topk', 1)
        topk = topk if isinstance(topk, (list, tuple)) else [topk]
        names = [f'top{k}{suffix}' for k in topk for suffix in _suffixes(metric)]
    else:
        items = metric.get('items', ('precision', 'recall', 'f1-score'))
        classwise = '' if metric.get('average', 'macro') is not None else '_classwise'
        names = [f'{item}{classwise}{suffix}' for item in items for suffix in _suffixes(metric)]
        names += [f'{item}{suffix}{classwise}' for item in items for suffix in _suffixes(metric)]
    return {f'{metric_prefix(metric)}/{name}' for name in names}


def _suffixes(metric: dict) -> List[str]:
    """What MMPretrain's metrics append to a name, one for each of several thresholds."""
    thresholds = metric.get('thrs', 0.0)
    if not isinstance(thresholds, (list, tuple)) or len(thresholds) < 2:
        return ['']
    return ['_no-thr' if one is None else f'_thr-{one:.2f}' for one in thresholds]


def check_monitored_keys(cfg: Config) -> None:
    """Refuse a config that watches a metric which its validation does not give.

    Without it a run ends after its first epoch. Of metrics that are not known nothing is checked.

    Raises:
        InputError: With the setting, and the keys that there are.
    """
    metrics = evaluator_metrics(cfg.get('val_evaluator') or {'type': 'NoEvaluator'})
    if metrics is None:
        return
    sets = [metric_keys(metric) for metric in metrics]
    known = set().union(*(keys for keys in sets if keys))
    prefixes = {metric_prefix(metric) for metric, keys in zip(metrics, sets) if keys}
    unknown = [metric for metric, keys in zip(metrics, sets) if keys is None]
    for monitor in monitors(cfg):
        for key in monitor.keys:
            if monitor.where.startswith('param_scheduler') and '/' not in key:
                continue  # a schedule can follow a figure of training
            could_be = any(metric_prefix(one) in (None, key.partition('/')[0]) for one in unknown)
            if could_be and key.partition('/')[0] not in prefixes:
                continue
            if key not in known and key != 'auto':
                raise InputError(
                    f'{monitor.where} is {key!r}, but val_evaluator gives '
                    f'{", ".join(sorted(known))}: name one of them'
                )
