"""Tables of many runs: one row a method, means over seeds, differences to a baseline."""

from dataclasses import asdict, dataclass, field
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from rcl_mm.report.statistics import (
    Estimate,
    format_estimate,
    mean_interval,
    paired_difference,
)

ACCURACY_METRICS = ('top1', 'balanced', 'many', 'medium', 'few', 'worst', 'ece')
FEATURE_METRICS = ('compactness', 'compactness_few', 'angle_min', 'simplex_distance')
PREFIXES = ('long_tail', 'feature_space')
# Digits after the point; percentages have one.
DIGITS = {'compactness': 3, 'compactness_few': 3, 'simplex_distance': 3}

Record = Mapping[str, Any]


@dataclass
class Row:
    """One method of a comparison.

    Attributes:
        label (str): Name of the method.
        runs (int): Number of runs.
        means (dict[str, Estimate]): By metric.
        differences (dict[str, Estimate]): To the baseline, by metric; empty for the baseline.
    """

    label: str
    runs: int
    means: Dict[str, Estimate] = field(default_factory=dict)
    differences: Dict[str, Estimate] = field(default_factory=dict)


def metric_of(record: Record, metric: str) -> Optional[float]:
    """A metric of a record by its short name, or None if it has none."""
    for prefix in PREFIXES:
        value = record['metrics'].get(f'{prefix}/{metric}')
        if value is not None:
            return value
    return None


def compare(
    records: Iterable[Record],
    row_of: str = 'method',
    metrics: Sequence[str] = ACCURACY_METRICS,
    baseline: Optional[str] = None,
    order: Sequence[str] = (),
) -> List[Row]:
    """Summarise runs by the factor ``row_of``.

    Two runs are a pair if they have the same seed and the same other factors.

    Args:
        records (Iterable[dict]): Results of runs.
        row_of (str): Name of the factor that tells the rows apart. Defaults to 'method'.
        metrics (Sequence[str]): Short names.
        baseline (str, optional): Row that the others are compared with. Defaults to none.
        order (Sequence[str]): Rows in this order, then the others. Defaults to that of the records.

    Raises:
        ValueError: If the baseline is not among the rows, or two runs can not be told apart.
    """
    by_row: Dict[str, Dict[Tuple, Record]] = {label: {} for label in order}
    for record in records:
        runs = by_row.setdefault(str(record['factors'][row_of]), {})
        key = _pair_key(record, row_of)
        if key in runs:
            raise ValueError(
                f'{record["name"]} and {runs[key]["name"]} have the same factors and seed: one '
                'must go'
            )
        runs[key] = record
    by_row = {label: runs for label, runs in by_row.items() if runs}
    if baseline is not None and baseline not in by_row:
        raise ValueError(f'baseline is {baseline!r}, allowed are {", ".join(by_row) or "none"}')
    rows = []
    for label, runs in by_row.items():
        row = Row(label, len(runs))
        for metric in metrics:
            values = [v for v in (metric_of(r, metric) for r in runs.values()) if v is not None]
            if values:
                row.means[metric] = mean_interval(values)
            if baseline is not None and label != baseline:
                difference = _difference(runs, by_row[baseline], metric)
                if difference is not None:
                    row.differences[metric] = difference
        rows.append(row)
    return rows


def _pair_key(record: Record, row_of: str) -> Tuple:
    others = {key: str(value) for key, value in record['factors'].items() if key != row_of}
    return (record['seed'], record['split'], *sorted(others.items()))


def _difference(
    runs: Dict[Tuple, Record], baseline: Dict[Tuple, Record], metric: str
) -> Optional[Estimate]:
    pairs = [
        (metric_of(runs[key], metric), metric_of(baseline[key], metric))
        for key in runs
        if key in baseline
    ]
    pairs = [pair for pair in pairs if None not in pair]
    return paired_difference(*zip(*pairs)) if pairs else None


def markdown_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1
) -> str:
    """A table in Markdown that can be read as it is.

    Args:
        header (Sequence[str]): Names of the columns.
        rows (Iterable[Sequence[str]]): Cells.
        text_columns (int): How many columns, from the left, are text; the others hold figures and
            are set to the right. Defaults to 1.
    """
    table = [list(header), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*table)]
    rule = ['-' * w if i < text_columns else '-' * (w - 1) + ':' for i, w in enumerate(widths)]
    lines = [
        [
            c.ljust(w) if i < text_columns else c.rjust(w)
            for i, (c, w) in enumerate(zip(row, widths))
        ]
        for row in table
    ]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in [lines[0], rule, *lines[1:]])


def means_table(rows: Sequence[Row], metrics: Sequence[str], first: str = 'method') -> str:
    """Means with their intervals, as Markdown."""
    metrics = [m for m in metrics if any(m in row.means for row in rows)]
    body = [
        [row.label, *(format_estimate(row.means.get(m), DIGITS.get(m, 1)) for m in metrics)]
        + [str(row.runs)]
        for row in rows
    ]
    return markdown_table([first, *metrics, 'runs'], body)


def differences_table(rows: Sequence[Row], metrics: Sequence[str], baseline: str) -> str:
    """Paired differences to the baseline, as Markdown; bold where the interval leaves 0 out."""
    metrics = [m for m in metrics if any(m in row.differences for row in rows)]
    body = [
        [
            row.label,
            *(format_estimate(row.differences.get(m), DIGITS.get(m, 1), True) for m in metrics),
        ]
        for row in rows
        if row.differences
    ]
    return markdown_table([f'minus {baseline}', *metrics], body)


def rows_document(rows: Sequence[Row]) -> List[Dict[str, Any]]:
    """Rows for JSON."""
    return [asdict(row) for row in rows]
