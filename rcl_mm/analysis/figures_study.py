"""The picture of docs/results.md: what rebalancing changes at every imbalance, seed by seed."""

from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from PIL import Image

from rcl_mm.analysis.figure_style import MARKERS, Panel, draw_panel, legend, method_style
from rcl_mm.analysis.study_tables import difference_of, imbalances, of_imbalance

# Each against its own baseline: what the prior and the feature scale change, and nothing else.
PICTURED = (
    ('RCL', 'BCL'),
    ('RCL standalone', 'BCL standalone'),
    ('BCL + rebalanced', 'SupCon'),
)
METRIC = 'balanced'
FOLDER = 'images'


def differences_panel(records: Sequence[Mapping[str, Any]]) -> Optional[Panel]:
    """Paired differences in balanced accuracy with their intervals; None without any pair.

    Args:
        records (Sequence[Mapping]): Records of the study on Digits-LT.
    """
    settings = [(f'{k} {f}', of_imbalance(records, k, f)) for k, f in imbalances(records)]
    estimates: Dict[Tuple[str, str], Dict[int, Any]] = {}
    for pair in PICTURED:
        found = {i: difference_of(own, *pair, METRIC) for i, (_, own) in enumerate(settings)}
        found = {i: estimate for i, estimate in found.items() if estimate is not None}
        if found:
            estimates[pair] = found
    if not estimates:
        return None

    def draw(axes) -> None:
        for index, ((method, baseline), found) in enumerate(estimates.items()):
            places = [i + 0.22 * (index - (len(estimates) - 1) / 2) for i in found]
            axes.errorbar(
                [estimate.mean for estimate in found.values()],
                places,
                xerr=[estimate.half_width or 0.0 for estimate in found.values()],
                fmt=MARKERS[index],
                color=method_style(index)['color'],
                capsize=3,
                label=f'{method} \N{MINUS SIGN} {baseline}',
            )
        axes.axvline(0, color='#333333', linewidth=1)
        axes.set_yticks(range(len(settings)), [name for name, _ in settings])
        axes.invert_yaxis()
        axes.grid(visible=False, axis='y')
        axes.set_xlabel('difference in balanced accuracy (points), 95% interval over seeds')
        legend(axes, loc='upper center', bbox_to_anchor=(0.5, -0.18), ncols=len(estimates))

    sentences = []
    for (method, baseline), found in estimates.items():
        figures = [f'{settings[i][0]} {_in_words(estimate)}' for i, estimate in found.items()]
        sentences.append(f'{method} minus {baseline}: {", ".join(figures)}')
    return draw_panel(
        'digits_differences',
        'What rebalancing changes',
        'Paired over seeds; to the right of zero rebalancing helps.',
        'Paired differences in balanced accuracy. ' + '. '.join(sentences) + '.',
        draw,
        width=7.0,
        height=4.2,
    )


def _in_words(estimate) -> str:
    width = '' if estimate.half_width is None else f' ± {estimate.half_width:.1f}'
    return f'{estimate.mean:+.1f}{width}'


def picture_of(records: Sequence[Mapping[str, Any]]) -> Optional[str]:
    """The picture's line in the page, with all its figures as the alternative text."""
    panel = differences_panel(records)
    return None if panel is None else f'![{panel.alt}]({FOLDER}/{panel.name}.png)'


def is_drawn(panel: Panel, folder: Path) -> bool:
    """Whether the file of a panel shows these figures: they are in its description."""
    path = folder / f'{panel.name}.png'
    if not path.is_file():
        return False
    with Image.open(path) as image:
        return image.text.get('Description') == panel.alt
