"""Tables of many runs: one row a method, means over seeds, differences to a baseline."""

from dataclasses import asdict, dataclass
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence

import pandas as pd

from rcl_mm.report.statistics import Estimate, format_estimate, mean_interval, paired_difference
from study.markdown_table import markdown_table

ACCURACY_METRICS = ('top1', 'balanced', 'many', 'medium', 'few', 'worst', 'ece')
FEATURE_METRICS = ('compactness', 'compactness_few', 'angle_min', 'simplex_distance')
METRICS = (*ACCURACY_METRICS, *FEATURE_METRICS)
# A short name is looked for under the first of these first.
PREFIXES = ('long_tail/', 'feature_space/')
# Digits after the point; percentages have one.
DIGITS = {'compactness': 3, 'compactness_few': 3, 'simplex_distance': 3}

Record = Mapping[str, Any]


@dataclass
class Comparison:
    """What :func:`compare` finds.

    Attributes:
        runs (pd.Series): Number of runs by row.
        means (pd.DataFrame): An :class:`Estimate` by row and metric, None without a figure.
        differences (pd.DataFrame): The same of the paired differences to the baseline; no rows
            without one.
        baseline (str, optional): Row that the others are compared with.
    """

    runs: pd.Series
    means: pd.DataFrame
    differences: pd.DataFrame
    baseline: Optional[str] = None

    def document(self) -> List[Dict[str, Any]]:
        """The rows for JSON."""

        def row_of(table: pd.DataFrame, label: str) -> Dict[str, Any]:
            found = table.loc[label].dropna() if label in table.index else {}
            return {metric: asdict(estimate) for metric, estimate in found.items()}

        return [
            {
                'label': label,
                'runs': int(runs),
                'means': row_of(self.means, label),
                'differences': row_of(self.differences, label),
            }
            for label, runs in self.runs.items()
        ]


def run_frame(records: Iterable[Record]) -> pd.DataFrame:
    """Metrics by run: a column a metric (short name), the index has the factors, seed and split.

    Raises:
        ValueError: If two runs can not be told apart.
    """
    records = list(records)
    keys = [{**r['factors'], 'seed': r['seed'], 'split': r['split']} for r in records]
    index = pd.MultiIndex.from_frame(pd.DataFrame(keys, dtype=object).fillna('-'))
    twice = index.duplicated(keep=False)
    if twice.any():
        same = index == index[twice][0]
        one, other, *_ = [record['name'] for record, found in zip(records, same) if found]
        raise ValueError(f'{one} and {other} have the same factors and seed: one must go')
    metrics = [
        {
            name.removeprefix(prefix): value
            for prefix in reversed(PREFIXES)
            for name, value in record['metrics'].items()
            if name.startswith(prefix) and value is not None
        }
        for record in records
    ]
    return pd.DataFrame(metrics, index=index, dtype=float)


def estimate(values: pd.Series) -> Optional[Estimate]:
    """Mean and interval of the figures that there are; None without any."""
    values = values.dropna()
    return mean_interval(values) if len(values) else None


def difference(values: Optional[pd.Series], baseline: Optional[pd.Series]) -> Optional[Estimate]:
    """Paired difference over the runs of one index, such as seed and imbalance; None without."""
    if values is None or baseline is None:
        return None
    pairs = pd.concat([values, baseline], axis=1, join='inner').dropna()
    return paired_difference(pairs.iloc[:, 0], pairs.iloc[:, 1]) if len(pairs) else None


def rows_of(frame: pd.DataFrame, row_of: str = 'method') -> Dict[str, pd.DataFrame]:
    """The runs of each row, in the order of the records, indexed by what makes a pair."""
    return {row: runs.droplevel(row_of) for row, runs in frame.groupby(level=row_of, sort=False)}


def compare(
    records: Iterable[Record],
    row_of: str = 'method',
    metrics: Sequence[str] = ACCURACY_METRICS,
    baseline: Optional[str] = None,
    order: Sequence[str] = (),
) -> Comparison:
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
    records = list(records)
    rows = rows_of(run_frame(records), row_of) if records else {}
    labels = [*(label for label in order if label in rows), *(r for r in rows if r not in order)]
    if baseline is not None and baseline not in rows:
        raise ValueError(f'baseline is {baseline!r}, allowed are {", ".join(rows) or "none"}')
    means = {
        label: {m: estimate(rows[label][m]) for m in metrics if m in rows[label]}
        for label in labels
    }
    differences = {
        label: {m: difference(rows[label].get(m), rows[baseline].get(m)) for m in metrics}
        for label in labels
        if baseline not in (None, label)
    }
    return Comparison(
        pd.Series({label: len(rows[label]) for label in labels}, dtype=int),
        _table(means, metrics),
        _table(differences, metrics),
        baseline,
    )


def _table(cells: Mapping[str, Mapping[str, Any]], metrics: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(cells, list(metrics), dtype=object).T.dropna(axis=1, how='all')


def format_table(estimates: pd.DataFrame, sign: bool = False) -> pd.DataFrame:
    """The cells as text, with as many digits as the metric of their column has."""

    def text(column: pd.Series) -> List[str]:
        digits = DIGITS.get(column.name, 1)
        return [format_estimate(None if pd.isna(e) else e, digits, sign) for e in column]

    return pd.DataFrame({name: text(estimates[name]) for name in estimates}, estimates.index)


def frame_table(first: str, cells: pd.DataFrame) -> str:
    """A frame of text in Markdown; ``first`` is the heading of its index."""
    return markdown_table([first, *cells.columns], cells.itertuples())


def means_table(comparison: Comparison, metrics: Sequence[str], first: str = 'method') -> str:
    """Means with their intervals, as Markdown."""
    means = comparison.means
    cells = format_table(means[[m for m in metrics if m in means]])
    return frame_table(first, cells.assign(runs=comparison.runs))


def differences_table(comparison: Comparison, metrics: Sequence[str]) -> str:
    """Paired differences to the baseline, as Markdown; bold where the interval leaves 0 out."""
    found = comparison.differences
    cells = format_table(found[[m for m in metrics if m in found]].dropna(how='all'), sign=True)
    return frame_table(f'minus {comparison.baseline}', cells)
