"""The tables of the study: what docs/results.md shows of the records."""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import pandas as pd

from rcl_mm.report.statistics import Estimate, format_estimate
from study.comparison import (
    DIGITS,
    METRICS,
    Comparison,
    compare,
    difference,
    differences_table,
    format_table,
    frame_table,
    means_table,
    rows_of,
    run_frame,
)
from study.markdown_table import markdown_table
from study.plan import DIGITS_METHODS

Records = Sequence[Mapping[str, Any]]
IMBALANCE = ['imbalance_type', 'imbalance_factor']
LOWER_IS_BETTER = ('ece', 'simplex_distance')
# What the findings are about, and what is compared with what.
FINDING_METRICS = ('balanced', 'few', 'worst', 'ece', 'compactness', 'simplex_distance')
HEADLINE_METHODS = (
    'cross-entropy',
    'balanced softmax',
    'BCL',
    'RCL',
    'BCL standalone',
    'RCL standalone',
)
HEADLINE_METRICS = ('balanced', 'many', 'medium', 'few', 'worst')
COMPARISONS = (
    ('RCL', 'BCL'),
    ('BCL + rebalanced', 'BCL'),
    ('BCL + rebalanced', 'SupCon'),
    ('RCL', 'balanced softmax'),
    ('RCL standalone', 'BCL standalone'),
    ('RCL standalone', 'RCL'),
)


def provenance_table(records: Records) -> str:
    """What made the records: runs, seeds, device, versions, commit, days."""
    runs = pd.DataFrame(
        {
            'results': f'[{record["file"]}](results/{record["file"]})',
            'device': record['device'],
            'versions': 'Python {python}, torch {torch}, mmengine {mmengine}, '
            'mmpretrain {mmpretrain}'.format(**record['versions']),
            'commit': f'`{(record["commit"] or "-")[:12]}`',
            'day': record['time'][:10],
            'seed': record['seed'],
            'hours': record['duration'] / 3600,
        }
        for record in records
    )
    made_by = ['results', 'device', 'versions', 'commit']
    rows = []
    for key, own in runs.groupby(made_by):
        first, last = own['day'].min(), own['day'].max()
        when = first if first == last else f'{first} to {last}'
        rows.append([*key, when, len(own), own['seed'].nunique(), f'{own["hours"].sum():.1f}'])
    return markdown_table([*made_by, 'day', 'runs', 'seeds', 'hours'], rows, text_columns=5)


def by_imbalance(records: Records) -> Dict[Tuple[str, int], List[Mapping[str, Any]]]:
    """The records of each imbalance of Digits-LT, in order."""
    groups: Dict[Tuple[str, int], List[Mapping[str, Any]]] = {}
    for record in records:
        groups.setdefault(tuple(record['factors'][name] for name in IMBALANCE), []).append(record)
    return dict(sorted(groups.items()))


def of_imbalance(records: Records, *where: str) -> Records:
    """The records of the imbalance that ``where`` names, such as 'exp', '50'; all without."""
    if not where:
        return records
    return [r for r in records if tuple(str(r['factors'][name]) for name in IMBALANCE) == where]


def _compare(
    records: Records, where: Sequence[str], baseline: Optional[str] = None
) -> Optional[Comparison]:
    records = of_imbalance(records, *where)
    if not records:
        return None
    return compare(records, 'method', METRICS, baseline, order=list(DIGITS_METHODS))


def balanced_table(records: Records, metric: str = 'balanced') -> str:
    """A metric of every method at every imbalance."""
    columns = {}
    for (kind, factor), own in by_imbalance(records).items():
        means = format_table(compare(own, metrics=[metric]).means)
        columns[f'{kind} {factor}'] = means.get(metric)
    cells = pd.DataFrame(columns).fillna('-')
    return frame_table(metric, cells.reindex([m for m in DIGITS_METHODS if m in cells.index]))


def means_of(records: Records, *where: str) -> Optional[str]:
    """All metrics of every method, of one imbalance if ``where`` names it."""
    found = _compare(records, where)
    return None if found is None else means_table(found, METRICS)


def headline_of(records: Records, *where: str) -> Optional[str]:
    """The rows that a reader looks for first, with the accuracies alone."""
    records = [record for record in records if record['factors']['method'] in HEADLINE_METHODS]
    found = _compare(records, where)
    return None if found is None else means_table(found, HEADLINE_METRICS)


def differences_of(records: Records, *where: str, baseline: str = 'BCL') -> Optional[str]:
    """Paired differences of every method to BCL."""
    if baseline not in [r['factors']['method'] for r in of_imbalance(records, *where)]:
        return None
    return differences_table(_compare(records, where, baseline), METRICS)


def findings(records: Records, *where: str) -> Optional[str]:
    """What the intervals say, comparison by comparison.

    Of the imbalance that ``where`` names, or of all together and one by one.
    """
    records = of_imbalance(records, *where)
    if not records:
        return None
    rows = rows_of(run_frame(records))
    body = []
    for method, baseline in COMPARISONS:
        if method in rows and baseline in rows:
            own, other = rows[method], rows[baseline]
            pairs = len(own.index.intersection(other.index))
            cells = [_finding(own.get(m), other.get(m), m) for m in FINDING_METRICS]
            body.append([f'{method} - {baseline}', *cells, pairs])
    return markdown_table(['difference', *FINDING_METRICS, 'pairs'], body)


def difference_of(records: Records, method: str, baseline: str, metric: str) -> Optional[Estimate]:
    """Paired difference of a metric over the records that both methods have; None without any."""
    rows = rows_of(run_frame(records))
    if method not in rows or baseline not in rows:
        return None
    return difference(rows[method].get(metric), rows[baseline].get(metric))


def _finding(values: Optional[pd.Series], baseline: Optional[pd.Series], metric: str) -> str:
    """Pooled difference, and at how many settings it is better or worse beyond its interval."""
    text = format_estimate(difference(values, baseline), DIGITS.get(metric, 1), sign=True)
    if text == '-' or IMBALANCE[0] not in values.index.names:
        return text
    found = [difference(own, baseline) for _, own in values.groupby(level=IMBALANCE)]
    if len(found) < 2:
        return text
    sure = [estimate for estimate in found if estimate is not None and estimate.differs_from_zero]
    better = sum((estimate.mean > 0) != (metric in LOWER_IS_BETTER) for estimate in sure)
    return f'{text} (better {better}, worse {len(sure) - better} of {len(found)})'
