"""Figures of the accuracy: by frequency, by group, margins, calibration, one method against one."""

from typing import Dict, List, Optional, Tuple

import numpy as np

from rcl_mm.evaluation.class_accuracy import GROUPS, per_class_accuracy
from rcl_mm.evaluation.results import Results, calibration
from rcl_mm.report.figure_style import (
    GROUP_COLOURS,
    GROUP_MARKERS,
    MANY_POINTS,
    MARKERS,
    Panel,
    draw_classes,
    draw_panel,
    frequency_axis,
    legend,
    legend_label,
    method_style,
    percent,
    points_caption,
    scatter_options,
    sentence_list,
    smooth_over_frequency,
)
from rcl_mm.report.fonts import shorten
from rcl_mm.report.methods import Method
from rcl_mm.report.statistics import mean_interval


def class_accuracies(method: Method) -> np.ndarray:
    """Accuracy of each class in percent, mean over seeds, shape (C, ), NaN without test images."""
    return np.mean(
        [
            100 * per_class_accuracy(one.predicted, one.target, one.num_classes)
            for one in method.results
        ],
        axis=0,
    )


def confidence_interval(values: np.ndarray) -> Optional[float]:
    """Half width of the 95 % t interval of the mean over seeds; None for a single value."""
    values = values[~np.isnan(values)]
    return mean_interval(values).half_width if len(values) else None


def frequency_panel(methods: List[Method]) -> Panel:
    """Accuracy of each class against its training images, all methods over each other."""
    results = methods[0].results[0]
    counts = results.train_counts
    parts = []

    def draw(axes) -> None:
        for index, method in enumerate(methods):
            own = method.results[0].train_counts
            draw_classes(axes, own, class_accuracies(method), index, method.name)
        frequency_axis(axes, counts, results.many, results.few)
        axes.set_ylabel('accuracy (%)')
        axes.set_ylim(-3, 103)
        legend(axes)

    for method in methods:
        _, smooth = smooth_over_frequency(method.results[0].train_counts, class_accuracies(method))
        if len(smooth):
            parts.append(
                f'{method.name} rises from {smooth[0]:.0f} percent for the rarest to '
                f'{smooth[-1]:.0f} percent for the most frequent classes'
            )
    return draw_panel(
        'accuracy_by_frequency',
        'Accuracy against class frequency',
        f'{points_caption(results.num_classes)} (Gaussian kernel over the logarithm of the count). '
        'Dotted: borders of the few, medium and many groups.',
        'Scatter plot with smoothed lines: ' + sentence_list(parts),
        draw,
    )


def group_panel(methods: List[Method]) -> Panel:
    """Bars of the groups' accuracies with intervals over seeds."""
    figures = [method.metrics() for method in methods]
    names = [
        name
        for name in ('top1', 'balanced', *GROUPS, 'worst')
        if any(name in one for one in figures)
    ]
    parts = []
    for method, one in zip(methods, figures):
        values = [f'{name} {percent(np.nanmean(one[name]))}' for name in names if name in one]
        parts.append(f'{method.name}: ' + ', '.join(values))

    def draw(axes) -> None:
        width = 0.8 / len(methods)
        top = 1.0
        for index, (method, one) in enumerate(zip(methods, figures)):
            for place, name in enumerate(names):
                if name not in one:
                    continue
                x = place + (index - (len(methods) - 1) / 2) * width
                values = one[name]
                axes.bar(
                    x,
                    np.nanmean(values),
                    width * 0.92,
                    color=method_style(index)['color'],
                    hatch=('', '//', '..', 'xx')[index % 4],
                    edgecolor='white',
                    label=legend_label(method.name) if place == 0 else None,
                )
                half = confidence_interval(values)
                top = max(top, np.nanmax(values), min(100.0, np.nanmean(values) + (half or 0.0)))
                if half is not None:
                    axes.errorbar(x, np.nanmean(values), half, color='black', capsize=3, lw=1)
                    axes.plot([x] * len(values), values, '.', color='black', markersize=3)
        axes.set_xticks(range(len(names)), ['top-1' if n == 'top1' else n for n in names])
        axes.set_ylabel('percent')
        axes.grid(axis='x', visible=False)
        legend(axes, loc='upper right', ncols=min(len(methods), 2))
        axes.set_ylim(0, 1.25 * top)  # room for the legend
        axes.set_yticks([tick for tick in axes.get_yticks() if tick <= 100])

    seeds = max(len(method.results) for method in methods)
    interval = (
        f' Dots: seeds; lines: 95 % t interval of the mean over seeds (up to {seeds}).'
        if seeds > 1
        else ' One seed each: no interval.'
    )
    return draw_panel(
        'accuracy_by_group',
        'Accuracy by group',
        'A group is the mean of its classes; worst is the class with the lowest accuracy.'
        + interval,
        'Bar chart in percent. ' + sentence_list(parts),
        draw,
    )


def margin_panel(methods: List[Method]) -> Optional[Panel]:
    """Box plots of the margins by group, or None if there are none."""
    boxes = [_margins(method.results[0]) for method in methods]
    names = [name for name in ('all', *GROUPS) if any(name in one for one in boxes)]
    if not names:
        return None
    parts = []
    for method, one in zip(methods, boxes):
        medians = [f'{name} {np.median(one[name]):.2f}' for name in names if name in one]
        parts.append(f'median of {method.name}: ' + ', '.join(medians))

    def draw(axes) -> None:
        width = 0.8 / len(methods)
        for index, (method, one) in enumerate(zip(methods, boxes)):
            colour = method_style(index)['color']
            for place, name in enumerate(names):
                if name not in one:
                    continue
                low, first, middle, third, high = np.percentile(one[name], [5, 25, 50, 75, 95])
                box = dict(whislo=low, q1=first, med=middle, q3=third, whishi=high, fliers=[])
                axes.bxp(
                    [box],
                    positions=[place + (index - (len(methods) - 1) / 2) * width],
                    widths=width * 0.8,
                    patch_artist=True,
                    showfliers=False,
                    boxprops=dict(facecolor=colour, alpha=0.75, edgecolor='black', lw=0.6),
                    medianprops=dict(color='black'),
                    manage_ticks=False,
                )
            axes.bar(0, 0, color=colour, label=legend_label(method.name))
        axes.axhline(0, color='black', linewidth=0.8)
        axes.set_xticks(range(len(names)), names)
        axes.set_ylabel('margin')
        legend(axes)

    return draw_panel(
        'margins',
        'Margins by group',
        'Class score of the true class minus the best other one, of each test image; above zero is '
        'a correct prediction. Box: quartiles; whiskers: 5 and 95 percent.',
        'Box plots: ' + sentence_list(parts),
        draw,
    )


def _margins(results: Results) -> Dict[str, np.ndarray]:
    if not np.isfinite(results.margin).all():
        return {}
    group_of_class = np.array([group or '' for group in results.groups])
    group = group_of_class[results.target]
    margins = {'all': results.margin}
    margins.update({name: results.margin[group == name] for name in GROUPS})
    return {name: values for name, values in margins.items() if len(values)}


def calibration_panel(methods: List[Method]) -> Optional[Panel]:
    """Reliability diagram, or None if no run has confidences."""
    bins = [(method.name, calibration(method.results[0])) for method in methods]
    if all(one is None for _, one in bins):
        return None

    def draw(axes) -> None:
        axes.plot([0, 100], [0, 100], color='#999999', linewidth=1, linestyle=':')
        for index, (name, one) in enumerate(bins):
            if one is None:
                continue
            x, y, n = (np.array(one[k], dtype=float) for k in ('confidence', 'accuracy', 'count'))
            style = method_style(index)
            filled = n > 0
            axes.plot(
                x[filled], y[filled], **style, label=legend_label(name, f', ECE {one["ece"]:.1f} %')
            )
            axes.scatter(
                x[filled],
                y[filled],
                s=8 + 120 * n[filled] / n.sum(),
                color=style['color'],
                marker=MARKERS[index % len(MARKERS)],
            )
        axes.set_xlabel('confidence (%)')
        axes.set_ylabel('accuracy (%)')
        legend(axes, loc='upper left')

    parts = [f'{name} {one["ece"]:.1f} percent' for name, one in bins if one]
    return draw_panel(
        'calibration',
        'Calibration',
        'Accuracy of the test images in 15 bins of confidence; on the dotted line the two agree, '
        'below it the model is over-confident. Larger points hold more images.',
        'Reliability diagram; expected calibration error: ' + sentence_list(parts),
        draw,
    )


def change_panel(first: Method, second: Method) -> Tuple[Panel, List[dict]]:
    """Accuracy of each class under two methods, and by group how many gained and lost.

    Returns:
        tuple[Panel, list[dict]]: The panel, and a row per group: ``group gained same lost change``.
    """
    results = first.results[0]
    own, other = class_accuracies(first), class_accuracies(second)
    change = own - other
    groups = np.array([group or 'all' for group in results.groups])
    rows = []
    for name in [*[n for n in GROUPS if (groups == n).any()], 'all']:
        values = change if name == 'all' else change[groups == name]
        values = values[~np.isnan(values)]
        if len(values):
            rows.append(
                {
                    'group': name,
                    'gained': int((values > 0).sum()),
                    'same': int((values == 0).sum()),
                    'lost': int((values < 0).sum()),
                    'change': float(values.mean()),
                }
            )

    options = scatter_options(len(own))
    shift = np.zeros((2, len(own)))
    scattered = ''
    if len(own) > MANY_POINTS:  # few test images each: thousands of points in a few places
        shift = np.random.default_rng(0).uniform(-2, 2, (2, len(own)))
        scattered = ' Points are shifted by up to 2 percent, so that none hides another.'

    def draw(axes) -> None:
        axes.plot([0, 100], [0, 100], color='#999999', linewidth=1, linestyle=':')
        for name in dict.fromkeys(results.groups):
            chosen = np.array([group == name for group in results.groups])
            axes.scatter(
                other[chosen] + shift[0, chosen],
                own[chosen] + shift[1, chosen],
                color=GROUP_COLOURS[name],
                marker=GROUP_MARKERS[name],
                label=name,
                **options,
            )
        axes.set_xlabel(f'accuracy of {shorten(second.name, 30)} (%)')
        axes.set_ylabel(f'accuracy of {shorten(first.name, 30)} (%)')
        axes.set_xlim(-3, 103)
        axes.set_ylim(-3, 103)
        legend(axes, loc='lower right', markerscale=max(1, 6 / options['s'] ** 0.5))

    parts = [f'{r["group"]}: {r["gained"]} gained, {r["lost"]} lost' for r in rows]
    panel = draw_panel(
        f'change_{first.name}_{second.name}',
        f'{first.name} against {second.name}, class by class',
        f'Classes above the dotted line are better recognised by {first.name}.{scattered}',
        f'Scatter plot; classes by group: {sentence_list(parts)}',
        draw,
        height=4.2,
    )
    return panel, rows
