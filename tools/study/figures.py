"""The picture of docs/results.md: what rebalancing changes at every imbalance, seed by seed."""

from pathlib import Path
from typing import Dict, Optional, Tuple

from PIL import Image

from rcl_mm.report.figure_style import MARKERS, Panel, draw_panel, legend, method_style
from rcl_mm.report.statistics import Estimate, format_estimate
from study.tables import Records, by_imbalance, difference_of

# Each against its own baseline: what the prior and the feature scale change, and nothing else.
PICTURED = (
    ('RCL', 'BCL'),
    ('RCL standalone', 'BCL standalone'),
    ('BCL + rebalanced', 'SupCon'),
)
METRIC = 'balanced'
NAME = 'digits_differences'
# Beside the page that shows it.
PLACE = f'images/{NAME}.png'

Differences = Dict[Tuple[str, str], Dict[str, Estimate]]


def pictured_differences(records: Records) -> Differences:
    """By pair of methods and imbalance; without those that have no runs of both."""
    settings = {f'{kind} {factor}': own for (kind, factor), own in by_imbalance(records).items()}
    differences: Differences = {}
    for pair in PICTURED:
        found = {name: difference_of(own, *pair, METRIC) for name, own in settings.items()}
        found = {name: estimate for name, estimate in found.items() if estimate is not None}
        if found:
            differences[pair] = found
    return differences


def alternative_text(differences: Differences) -> str:
    """All figures of the picture, in words."""
    sentences = []
    for (method, baseline), found in differences.items():
        figures = [
            f'{name} {format_estimate(e, sign=True).strip("*")}' for name, e in found.items()
        ]
        sentences.append(f'{method} minus {baseline}: {", ".join(figures)}')
    return 'Paired differences in balanced accuracy. ' + '. '.join(sentences) + '.'


def differences_panel(differences: Differences) -> Panel:
    """Paired differences in balanced accuracy with their intervals."""
    settings = list(dict.fromkeys(name for found in differences.values() for name in found))

    def draw(axes) -> None:
        for index, ((method, baseline), found) in enumerate(differences.items()):
            shift = 0.22 * (index - (len(differences) - 1) / 2)
            axes.errorbar(
                [estimate.mean for estimate in found.values()],
                [settings.index(name) + shift for name in found],
                xerr=[estimate.half_width or 0.0 for estimate in found.values()],
                fmt=MARKERS[index],
                color=method_style(index)['color'],
                capsize=3,
                label=f'{method} \N{MINUS SIGN} {baseline}',
            )
        axes.axvline(0, color='#333333', linewidth=1)
        axes.set_yticks(range(len(settings)), settings)
        axes.invert_yaxis()
        axes.grid(visible=False, axis='y')
        axes.set_xlabel('difference in balanced accuracy (points), 95% interval over seeds')
        legend(axes, loc='upper center', bbox_to_anchor=(0.5, -0.18), ncols=len(differences))

    return draw_panel(
        NAME,
        'What rebalancing changes',
        'Paired over seeds; to the right of zero rebalancing helps.',
        alternative_text(differences),
        draw,
        width=7.0,
        height=4.2,
    )


def picture_of(records: Records) -> Optional[str]:
    """The picture's line in the page, with all its figures as the alternative text."""
    differences = pictured_differences(records)
    return f'![{alternative_text(differences)}]({PLACE})' if differences else None


def is_drawn(differences: Differences, path: Path) -> bool:
    """Whether a file shows these figures: they are in its description."""
    if not path.is_file():
        return False
    with Image.open(path) as image:
        return image.text.get('Description') == alternative_text(differences)
