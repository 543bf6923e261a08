"""The sweeps: which setting is best on validation images, and the tables that show it."""

from typing import Any, List, Mapping, Optional, Sequence, Tuple

import pandas as pd

from rcl_mm.report.statistics import Estimate, format_estimate
from study.comparison import difference, estimate, format_table, frame_table, run_frame
from study.markdown_table import markdown_table
from study.plan import CIFAR_CON_WEIGHT, DEFAULT_CON_WEIGHT, feature_scale

Records = Sequence[Mapping[str, Any]]
# s^2 / tau, gamma, beta.
Setting = Tuple[float, float, float]
FACTORS = ['sharpness', 'prior_power', 'con_weight']


def methods_of(records: Records) -> List[str]:
    """The methods that a sweep tries settings of."""
    return list(dict.fromkeys(record['factors']['method'] for record in records))


def sweep_accuracies(records: Records, method: str) -> pd.Series:
    """Balanced validation accuracy of each run of a method, indexed by its setting and seed."""
    own = [record for record in records if record['factors']['method'] == method]
    if not own:
        return pd.Series(dtype=float)
    runs = run_frame(own)['balanced'].dropna().reset_index()
    return runs.astype(dict.fromkeys(FACTORS, float)).set_index([*FACTORS, 'seed'])['balanced']


def best_of(means: pd.Series) -> Setting:
    """The setting with the highest mean."""
    return means.map(lambda estimate: estimate.mean).astype(float).idxmax()


def usual_weight(records: Records, method: str) -> float:
    """The beta of the recipe."""
    if records[0]['factors']['part'] == 'cifar-sweep':
        return CIFAR_CON_WEIGHT
    return DEFAULT_CON_WEIGHT if method == 'RCL' else 1.0


def best_setting(records: Records, method: str) -> Tuple[Setting, Estimate]:
    """The best setting with gamma = 1: on Digits-LT at the recipe's beta, on CIFAR at any."""
    means = sweep_accuracies(records, method).groupby(level=FACTORS).agg(estimate)
    allowed = means.index.get_level_values('prior_power') == 1.0
    if records[0]['factors']['part'] != 'cifar-sweep':
        allowed &= means.index.get_level_values('con_weight') == usual_weight(records, method)
    best = best_of(means[allowed])
    return best, means[best]


def sweep_table(records: Records, *method: str) -> Optional[str]:
    """Balanced validation accuracy over s^2 / tau (rows) and gamma (columns), the best in bold."""
    name = ' '.join(method) or 'RCL'
    means = _at_weight(sweep_accuracies(records, name), usual_weight(records, name))
    if means.empty:
        return None
    means = means.groupby(level=FACTORS[:2]).agg(estimate)
    sharpness, power = best_of(means)
    cells = format_table(means.unstack())
    cells.loc[sharpness, power] = f'**{cells.loc[sharpness, power]}**'
    return frame_table('s²/τ', cells.rename(index=_row_label, columns='γ = {:g}'.format))


def beta_table(records: Records) -> Optional[str]:
    """Balanced validation accuracy over beta (rows) and s^2 / tau (columns), gamma = 1."""
    accuracies = sweep_accuracies(records, 'RCL')
    means = accuracies.xs(1.0, level='prior_power').groupby(level=['con_weight', 'sharpness'])
    cells = means.agg(estimate).unstack()
    if len(cells) < 2:
        return None
    # The sharpnesses that more than the usual weight was tried at.
    cells = format_table(cells.loc[:, cells.iloc[0].notna()])
    return frame_table('β', cells.rename(index='{:g}'.format, columns='s²/τ = {:g}'.format))


def prior_table(records: Records, *method: str) -> Optional[str]:
    """What the prior changes: each gamma minus gamma = 0 at the same s^2 / tau and seed."""
    name = ' '.join(method) or 'RCL'
    accuracies = _at_weight(sweep_accuracies(records, name), usual_weight(records, name))
    if 0.0 not in accuracies.index.get_level_values('prior_power'):
        return None
    by_power = accuracies.unstack('prior_power')
    without = by_power.pop(0.0).dropna()
    if by_power.empty:
        return None
    body = [
        [_row_label(sharpness), *(_minus(own[power], without) for power in by_power)]
        for sharpness, own in by_power.loc[without.index].groupby(level='sharpness')
    ]
    body.append(['all', *(_minus(by_power[power], without) for power in by_power)])
    return markdown_table(['s²/τ', *(f'γ = {power:g} minus γ = 0' for power in by_power)], body)


def chosen_settings(records: Records) -> str:
    """The best setting of each method, and its paired difference to s = 1 at the recipe's beta."""
    body = []
    for method in methods_of(records):
        best, value = best_setting(records, method)
        plain = (10.0, 1.0, usual_weight(records, method))
        settings = sweep_accuracies(records, method).unstack(FACTORS)
        minus = _minus(settings[best], settings.get(plain))
        chosen = [f'{best[0]:g}', f'{feature_scale(best[0]):g}', f'{best[2]:g}']
        body.append([method, *chosen, format_estimate(value), minus])
    header = ['method', 's²/τ', 'feature_scale', 'con_weight', 'balanced', 'minus s = 1']
    return markdown_table(header, body)


def _row_label(sharpness: Any) -> str:
    return f'{sharpness:g} (s = {feature_scale(sharpness):g})'


def _at_weight(accuracies: pd.Series, weight: float) -> pd.Series:
    return accuracies[accuracies.index.get_level_values('con_weight') == weight].droplevel(
        'con_weight'
    )


def _minus(values: pd.Series, baseline: Optional[pd.Series]) -> str:
    return format_estimate(difference(values, baseline), sign=True)
