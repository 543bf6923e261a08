"""The tables of the study: what docs/results.md shows of the records."""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from rcl_mm.report.statistics import Estimate, format_estimate, paired_difference
from study.comparison import (
    ACCURACY_METRICS,
    DIGITS,
    Row,
    compare,
    differences_table,
    markdown_table,
    means_table,
    metric_of,
)
from study.plan import DIGITS_METHODS

Records = Sequence[Mapping[str, Any]]
FEATURES = ('compactness', 'compactness_few', 'angle_min', 'simplex_distance')
METRICS = (*ACCURACY_METRICS, *FEATURES)
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
    groups: Dict[Tuple, List[Mapping[str, Any]]] = {}
    for record in records:
        versions = record['versions']
        stack = ', '.join(f'{key} {versions[key]}' for key in ('torch', 'mmengine', 'mmpretrain'))
        key = (record['file'], record['device'], f'Python {versions["python"]}, {stack}')
        groups.setdefault((*key, record['commit'] or '-'), []).append(record)
    rows = []
    for (file, device, versions, commit), runs in sorted(groups.items()):
        days = sorted({run['time'][:10] for run in runs})
        seeds = len({run['seed'] for run in runs})
        hours = sum(run['duration'] for run in runs) / 3600
        when = days[0] if len(days) == 1 else f'{days[0]} to {days[-1]}'
        link = f'[{file}](results/{file})'
        figures = [str(len(runs)), str(seeds), f'{hours:.1f}']
        rows.append([link, device, versions, f'`{commit[:12]}`', when, *figures])
    header = ['results', 'device', 'versions', 'commit', 'day', 'runs', 'seeds', 'hours']
    return markdown_table(header, rows, text_columns=5)


def imbalances(records: Records) -> List[Tuple[str, int]]:
    """The imbalances of Digits-LT among the records, in order."""
    found = {(r['factors']['imbalance_type'], r['factors']['imbalance_factor']) for r in records}
    return sorted(found)


def of_imbalance(records: Records, kind: str, factor: Any) -> List[Mapping[str, Any]]:
    """The records of one imbalance."""
    return [
        record
        for record in records
        if record['factors']['imbalance_type'] == kind
        and str(record['factors']['imbalance_factor']) == str(factor)
    ]


def _rows(
    records: Records, where: Sequence[str], baseline: Optional[str] = None
) -> Optional[List[Row]]:
    records = of_imbalance(records, *where) if where else list(records)
    if not records:
        return None
    return compare(records, 'method', METRICS, baseline, order=list(DIGITS_METHODS))


def balanced_table(records: Records, metric: str = 'balanced') -> str:
    """A metric of every method at every imbalance."""
    columns = imbalances(records)
    cells: Dict[str, Dict[Tuple, str]] = {}
    for column in columns:
        for row in compare(of_imbalance(records, *column), metrics=[metric]):
            estimate = row.means.get(metric)
            cells.setdefault(row.label, {})[column] = format_estimate(
                estimate, DIGITS.get(metric, 1)
            )
    order = [method for method in DIGITS_METHODS if method in cells]
    body = [[m, *(cells[m].get(column, '-') for column in columns)] for m in order]
    return markdown_table([metric, *(f'{kind} {factor}' for kind, factor in columns)], body)


def means_of(records: Records, *where: str) -> Optional[str]:
    """All metrics of every method, of one imbalance if ``where`` names it."""
    rows = _rows(records, where)
    return None if rows is None else means_table(rows, METRICS)


def headline_of(records: Records, *where: str) -> Optional[str]:
    """The rows that a reader looks for first, with the accuracies alone."""
    records = [record for record in records if record['factors']['method'] in HEADLINE_METHODS]
    rows = _rows(records, where)
    return None if rows is None else means_table(rows, HEADLINE_METRICS)


def differences_of(records: Records, *where: str, baseline: str = 'BCL') -> Optional[str]:
    """Paired differences of every method to BCL."""
    rows = _rows(records, where)
    if rows is None or baseline not in [row.label for row in rows]:
        return None
    return differences_table(_rows(records, where, baseline), METRICS, baseline)


def findings(records: Records, *where: str) -> Optional[str]:
    """What the intervals say, comparison by comparison.

    Of the imbalance that ``where`` names, or of all together and one by one.
    """
    records = of_imbalance(records, *where) if where else records
    if not records:
        return None
    settings = imbalances(records) if 'imbalance_type' in records[0]['factors'] else [()]
    body = []
    for method, baseline in COMPARISONS:
        pairs = _pairs(records, method, baseline)
        if not pairs:
            continue
        cells = [_finding(pairs, metric, settings) for metric in FINDING_METRICS]
        body.append([f'{method} - {baseline}', *cells, str(len(pairs))])
    return markdown_table(['difference', *FINDING_METRICS, 'pairs'], body)


def difference_of(records: Records, method: str, baseline: str, metric: str) -> Optional[Estimate]:
    """Paired difference of a metric over the records that both methods have; None without any."""
    return _difference(_pairs(records, method, baseline), metric)


def _difference(pairs: Sequence[Tuple[Mapping, Mapping]], metric: str) -> Optional[Estimate]:
    values = [(metric_of(a, metric), metric_of(b, metric)) for a, b in pairs]
    values = [pair for pair in values if None not in pair]
    return paired_difference(*zip(*values)) if values else None


def _finding(pairs: Sequence, metric: str, settings: Sequence) -> str:
    """Pooled difference, and at how many settings it is better or worse beyond its interval."""
    text = format_estimate(_difference(pairs, metric), DIGITS.get(metric, 1), sign=True)
    if len(settings) < 2 or text == '-':
        return text
    better = worse = 0
    for kind, factor in settings:
        own = [
            (a, b)
            for a, b in pairs
            if (a['factors']['imbalance_type'], a['factors']['imbalance_factor']) == (kind, factor)
        ]
        estimate = _difference(own, metric)
        if estimate is not None and estimate.differs_from_zero:
            good = (estimate.mean > 0) != (metric in LOWER_IS_BETTER)
            better, worse = better + good, worse + (not good)
    return f'{text} (better {better}, worse {worse} of {len(settings)})'


def _pairs(records: Records, method: str, baseline: str) -> List[Tuple[Mapping, Mapping]]:
    def by_key(label: str) -> Dict[Tuple, Mapping]:
        chosen = [record for record in records if record['factors']['method'] == label]
        return {
            (r['seed'], *sorted((k, str(v)) for k, v in r['factors'].items() if k != 'method')): r
            for r in chosen
        }

    first, second = by_key(method), by_key(baseline)
    return [(first[key], second[key]) for key in first if key in second]
