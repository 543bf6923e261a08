"""The tables of the report as plain rows, ready for the template."""

from typing import Any, Dict, List, Optional

import numpy as np

from rcl_mm.evaluation.class_accuracy import GROUPS, class_number
from rcl_mm.evaluation.results import per_class_table
from rcl_mm.report.config_diff import config_differences
from rcl_mm.report.figures_accuracy import change_panel, class_accuracies, confidence_interval
from rcl_mm.report.methods import Method

METRICS = {
    'top1': 'top-1',
    'balanced': 'balanced',
    'many': 'many',
    'medium': 'medium',
    'few': 'few',
    'worst': 'worst class',
    'ece': 'ECE',
}
DIAGNOSTICS = {
    'compactness': 'compactness',
    'nc1': 'within / between',
    'angle_mean': 'mean angle',
    'angle_std': 'spread of angles',
    'angle_min': 'smallest angle',
    'simplex_distance': 'distance from simplex',
    'alignment': 'alignment',
    'uniformity': 'uniformity',
}


def metric_table(methods: List[Method]) -> Dict[str, Any]:
    """Methods by metrics: mean over seeds, half interval, and whether it is the best."""
    figures = [method.metrics() for method in methods]
    names = [name for name in METRICS if any(name in one for one in figures)]
    means = {
        name: [float(np.nanmean(one[name])) if name in one else None for one in figures]
        for name in names
    }
    rows = []
    for index, (method, one) in enumerate(zip(methods, figures)):
        cells = []
        for name in names:
            known = [value for value in means[name] if value is not None]
            best = min(known) if name == 'ece' else max(known)
            mean = means[name][index]
            cells.append(
                {
                    'value': mean,
                    'interval': confidence_interval(one[name]) if name in one else None,
                    'best': len(known) > 1 and mean == best,
                }
            )
        rows.append({'name': method.name, 'seeds': len(method.results), 'cells': cells})
    return {'columns': [METRICS[name] for name in names], 'rows': rows}


def group_sizes(methods: List[Method]) -> List[str]:
    """How many classes each group has, in words."""
    results = methods[0].results[0]
    if results.train_counts is None:
        return []
    words = {
        'many': f'more than {results.many}',
        'medium': f'{results.few} to {results.many}',
        'few': f'fewer than {results.few}',
    }
    groups = results.groups
    return [
        f'{name}: {class_number(groups.count(name))} with {words[name]} images' for name in GROUPS
    ]


def diagnostics_table(methods: List[Method], space: str) -> Dict[str, Any]:
    """Feature-space diagnostics of each method, for all classes and by group."""
    rows = []
    for method in methods:
        figures = method.results[0].diagnostics.get(space, {})
        for suffix, group in [('', 'all'), *((f'_{name}', name) for name in GROUPS)]:
            cells = [figures.get(name + suffix) for name in DIAGNOSTICS]
            if any(cell is not None for cell in cells):
                rows.append({'name': method.name, 'group': group, 'cells': cells})
    return {'columns': list(DIAGNOSTICS.values()), 'rows': rows}


def class_table(methods: List[Method]) -> Dict[str, Any]:
    """One row per class; with two methods or more also what the first gains over the second.

    Returns:
        dict: ``columns``, each a heading and its number of decimals, and ``rows`` of cells.
    """
    tables = [per_class_table(method.results[0]) for method in methods]
    accuracies = [class_accuracies(method) for method in methods]
    details = ['accuracy', 'precision', 'f1']
    if len(methods) <= 2:
        details += [k for k in ('compactness', 'angle_min') if all(k in t[0] for t in tables)]
    columns = [(name, 0) for name in ('class', 'train images', 'test images', 'group')]
    if len(methods) > 1:
        columns.append((f'gain of {methods[0].name}', 1))
    labels = {'f1': 'F1', 'angle_min': 'smallest angle'}
    columns += [
        (f'{method.name}: {labels.get(name, name)}', 3 if name == 'compactness' else 1)
        for method in methods
        for name in details
    ]
    rows = []
    for index, row in enumerate(tables[0]):
        cells: List[Optional[Any]] = [
            row['class'],
            row['train_count'],
            row['test_count'],
            row['group'],
        ]
        if len(methods) > 1:
            cells.append(_number(accuracies[0][index] - accuracies[1][index]))
        for table, accuracy in zip(tables, accuracies):
            cells.append(_number(accuracy[index]))
            cells += [_number(table[index][name]) for name in details[1:]]
        rows.append(cells)
    return {'columns': columns, 'rows': rows}


def comparison(first: Method, second: Method, limit: int = 10) -> Dict[str, Any]:
    """Which classes gained and lost most under the first of two methods."""
    panel, groups = change_panel(first, second)
    own, other = class_accuracies(first), class_accuracies(second)
    results = first.results[0]
    change = own - other
    order = [index for index in np.argsort(-change, kind='stable') if not np.isnan(change[index])]

    def rows(indices: List[int]) -> List[Dict[str, Any]]:
        return [
            {
                'class': results.classes[i],
                'train': None if results.train_counts is None else int(results.train_counts[i]),
                'first': float(own[i]),
                'second': float(other[i]),
                'change': float(change[i]),
            }
            for i in indices
        ]

    return {
        'first': first.name,
        'second': second.name,
        'panel': panel,
        'groups': groups,
        'gained': rows([i for i in order if change[i] > 0][:limit]),
        'lost': rows([i for i in order[::-1] if change[i] < 0][:limit]),
    }


def config_table(methods: List[Method]) -> Optional[Dict[str, Any]]:
    """Settings that differ between the methods; None if fewer than two have a config."""
    known = [method for method in methods if method.runs[0].config]
    if len(known) < 2:
        return None
    return {
        'columns': [method.name for method in known],
        'rows': config_differences([method.runs[0].method_config for method in known]),
    }


def provenance_rows(methods: List[Method]) -> List[Dict[str, Any]]:
    """Commands, checkpoint and versions of every run."""
    rows = []
    for method in methods:
        for run in method.runs:
            tested = run.results.run if run.results else {}
            versions = tested.get('versions') or run.command.get('versions') or {}
            words = [f'{name} {version}' for name, version in versions.items()]
            rows.append(
                {
                    'name': method.name,
                    'work_dir': str(run.work_dir),
                    'seed': run.seed,
                    'train': run.command.get('command'),
                    'test': tested.get('command'),
                    'checkpoint': tested.get('checkpoint'),
                    'time': tested.get('time') or run.command.get('time'),
                    'device': run.command.get('device') or tested.get('device'),
                    'versions': ', '.join(words),
                }
            )
    return rows


def _number(value: Optional[float]) -> Optional[float]:
    return None if value is None or np.isnan(value) else float(value)
