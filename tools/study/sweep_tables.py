"""The sweeps: which setting is best on validation images, and the tables that show it."""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from rcl_mm.report.statistics import Estimate, format_estimate, mean_interval, paired_difference
from study.comparison import markdown_table, metric_of
from study.plan import CIFAR_CON_WEIGHT, DEFAULT_CON_WEIGHT, feature_scale

Records = Sequence[Mapping[str, Any]]
# s^2 / tau, gamma, beta.
Setting = Tuple[float, float, float]
FACTORS = ('sharpness', 'prior_power', 'con_weight')


def setting_of(record: Mapping[str, Any]) -> Setting:
    """The setting that a run of a sweep tries."""
    return tuple(float(record['factors'][name]) for name in FACTORS)


def methods_of(records: Records) -> List[str]:
    """The methods that a sweep tries settings of."""
    return list(dict.fromkeys(record['factors']['method'] for record in records))


def sweep_values(records: Records, method: str) -> Dict[Setting, Estimate]:
    """Balanced validation accuracy of each setting."""
    values: Dict[Setting, List[float]] = {}
    for record in records:
        value = metric_of(record, 'balanced')
        if record['factors']['method'] == method and value is not None:
            values.setdefault(setting_of(record), []).append(value)
    return {key: mean_interval(value) for key, value in sorted(values.items())}


def usual_weight(records: Records, method: str) -> float:
    """The beta of the recipe."""
    if records[0]['factors']['part'] == 'cifar-sweep':
        return CIFAR_CON_WEIGHT
    return DEFAULT_CON_WEIGHT if method == 'RCL' else 1.0


def best_setting(records: Records, method: str) -> Tuple[Setting, Estimate]:
    """The best setting with gamma = 1: on Digits-LT at the recipe's beta, on CIFAR at any."""
    any_weight = records[0]['factors']['part'] == 'cifar-sweep'
    weight = usual_weight(records, method)
    allowed = {
        setting: value
        for setting, value in sweep_values(records, method).items()
        if setting[1] == 1.0 and (any_weight or setting[2] == weight)
    }
    best = max(allowed, key=lambda setting: allowed[setting].mean)
    return best, allowed[best]


def sweep_table(records: Records, *method: str) -> Optional[str]:
    """Balanced validation accuracy over s^2 / tau (rows) and gamma (columns), the best in bold."""
    name = ' '.join(method) or 'RCL'
    weight = usual_weight(records, name)
    values = {k: v for k, v in sweep_values(records, name).items() if k[2] == weight}
    if not values:
        return None
    best = max(values, key=lambda key: values[key].mean)
    powers = sorted({power for _, power, _ in values})
    body = []
    for sharpness in sorted({sharpness for sharpness, _, _ in values}):
        cells = []
        for power in powers:
            text = format_estimate(values.get((sharpness, power, weight)))
            cells.append(f'**{text}**' if (sharpness, power, weight) == best else text)
        body.append([_row_label(sharpness), *cells])
    return markdown_table(['s²/τ', *(f'γ = {power:g}' for power in powers)], body)


def beta_table(records: Records) -> Optional[str]:
    """Balanced validation accuracy over beta (rows) and s^2 / tau (columns), gamma = 1."""
    values = {key: v for key, v in sweep_values(records, 'RCL').items() if key[1] == 1.0}
    weights = sorted({weight for _, _, weight in values})
    shared = [s for s in sorted({k[0] for k in values}) if (s, 1.0, weights[0]) in values]
    if len(weights) < 2:
        return None
    body = [
        [f'{weight:g}', *(format_estimate(values.get((s, 1.0, weight))) for s in shared)]
        for weight in weights
    ]
    return markdown_table(['β', *(f's²/τ = {s:g}' for s in shared)], body)


def prior_table(records: Records, *method: str) -> Optional[str]:
    """What the prior changes: each gamma minus gamma = 0 at the same s^2 / tau and seed."""
    name = ' '.join(method) or 'RCL'
    weight = usual_weight(records, name)
    tried = {setting_of(record) for record in records if record['factors']['method'] == name}
    found = [setting for setting in tried if setting[2] == weight]
    powers = sorted({power for _, power, _ in found if power})
    sharpnesses = sorted({sharpness for sharpness, power, _ in found if not power})
    body, pooled = [], {power: [] for power in powers}
    for sharpness in sharpnesses:
        cells = []
        for power in powers:
            pairs = _pairs(records, name, (sharpness, power, weight), (sharpness, 0.0, weight))
            pooled[power] += pairs
            cells.append(_difference(pairs))
        body.append([_row_label(sharpness), *cells])
    if not any(pooled.values()):
        return None
    body.append(['all', *(_difference(pairs) for pairs in pooled.values())])
    return markdown_table(['s²/τ', *(f'γ = {power:g} minus γ = 0' for power in powers)], body)


def chosen_settings(records: Records) -> str:
    """The best setting of each method, and its paired difference to s = 1 at the recipe's beta."""
    body = []
    for method in methods_of(records):
        best, value = best_setting(records, method)
        plain = (10.0, 1.0, usual_weight(records, method))
        difference = _difference(_pairs(records, method, best, plain))
        settings = [f'{best[0]:g}', f'{feature_scale(best[0]):g}', f'{best[2]:g}']
        body.append([method, *settings, format_estimate(value), difference])
    header = ['method', 's²/τ', 'feature_scale', 'con_weight', 'balanced', 'minus s = 1']
    return markdown_table(header, body)


def _row_label(sharpness: float) -> str:
    return f'{sharpness:g} (s = {feature_scale(sharpness):g})'


def _pairs(
    records: Records, method: str, first: Setting, second: Setting
) -> List[Tuple[float, float]]:
    """Balanced validation accuracies of two settings, seed by seed."""

    def by_seed(setting: Setting) -> Dict[int, float]:
        return {
            record['seed']: metric_of(record, 'balanced')
            for record in records
            if record['factors']['method'] == method and setting_of(record) == setting
        }

    one, other = by_seed(first), by_seed(second)
    return [(one[seed], other[seed]) for seed in one if seed in other]


def _difference(pairs: Sequence[Tuple[float, float]]) -> str:
    return format_estimate(paired_difference(*zip(*pairs)), sign=True) if pairs else '-'
