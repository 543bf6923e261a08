"""Figures of the training: loss terms, validation accuracy, what the contrastive branch sees."""

from typing import List, Tuple

import numpy as np
from matplotlib.ticker import MaxNLocator

from rcl_mm.report.figure_style import (
    Panel,
    draw_panel,
    legend,
    legend_label,
    method_style,
    sentence_list,
)
from rcl_mm.report.methods import Method

SIMILARITIES = ('positive_similarity', 'negative_similarity')
VALIDATION = {
    'top1': 'top-1 accuracy',
    'balanced': 'balanced accuracy',
    'many': 'many-shot accuracy',
    'medium': 'medium-shot accuracy',
    'few': 'few-shot accuracy',
}
CAPTIONS = {
    'loss': 'The sum of all loss terms.',
    'loss_cls': 'The classifier branch, with its weight.',
    'loss_con': 'The contrastive branch, with its weight.',
    'anchors_with_positives': 'An anchor without another image of its class in the batch has only '
    'its own other view and its prototype as positives.',
}
MAX_POINTS = 300


def training_panels(methods: List[Method]) -> List[Panel]:
    """One panel for each loss term, the similarities, and each validation figure."""
    logged = {name for method in methods for run in method.runs for name in run.training}
    losses = sorted(name for name in logged if 'loss' in name)
    panels = [_curves(methods, 'training', loss, loss, 'iteration', 'loss') for loss in losses]
    if logged & set(SIMILARITIES):
        panels.append(_similarities(methods))
    if 'anchors_with_positives' in logged:
        panels.append(
            _curves(
                methods,
                'training',
                'anchors_with_positives',
                'anchors with other images as positives',
                'iteration',
                'share of anchors',
            )
        )
    for key, title in VALIDATION.items():
        name = f'long_tail/{key}'
        runs = (run for method in methods for run in method.runs if name in run.validation)
        if any(len(run.validation[name][0]) > 1 for run in runs):  # a single point is no curve
            panels.append(
                _curves(methods, 'validation', name, f'validation: {title}', 'epoch', 'percent')
            )
    return panels


def thin_out(steps: np.ndarray, values: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """At most 300 points: means of neighbours, so that a long curve stays light and readable."""
    if len(steps) <= MAX_POINTS:
        return steps, values
    parts = np.array_split(np.arange(len(steps)), MAX_POINTS)
    return (
        np.array([steps[part].mean() for part in parts]),
        np.array([values[part].mean() for part in parts]),
    )


def _curves(
    methods: List[Method], kind: str, name: str, title: str, x_label: str, y_label: str
) -> Panel:
    ends = []

    def draw(axes) -> None:
        for index, method in enumerate(methods):
            style = method_style(index)
            runs = [getattr(run, kind)[name] for run in method.runs if name in getattr(run, kind)]
            for number, (steps, values) in enumerate(runs):
                axes.plot(
                    *thin_out(steps, values),
                    **style,
                    marker='o' if len(steps) < 12 else None,
                    markersize=3,
                    alpha=1 if len(runs) == 1 else 0.6,
                    label=legend_label(method.name) if number == 0 else None,
                )
        axes.set_xlabel(x_label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
        axes.set_ylabel(y_label)
        legend(axes)

    for method in methods:
        last = [
            getattr(run, kind)[name][1][-1] for run in method.runs if name in getattr(run, kind)
        ]
        if last:
            ends.append(f'{method.name} ends at {np.mean(last):.3g}')
    seeds = 'One line per seed.' if any(len(method.runs) > 1 for method in methods) else ''
    return draw_panel(
        f'{kind}_{name.replace("/", "_")}',
        title,
        f'{CAPTIONS.get(name, "")} {seeds}'.strip(),
        f'Line chart of {title} over {x_label}s: ' + sentence_list(ends),
        draw,
    )


def _similarities(methods: List[Method]) -> Panel:
    ends = []

    def draw(axes) -> None:
        for index, method in enumerate(methods):
            colour = method_style(index)['color']
            for name, line in zip(SIMILARITIES, ('-', ':')):
                for number, run in enumerate(run for run in method.runs if name in run.training):
                    sign = name.removesuffix('_similarity')
                    axes.plot(
                        *thin_out(*run.training[name]),
                        color=colour,
                        linestyle=line,
                        label=legend_label(method.name, f', {sign}') if number == 0 else None,
                    )
        axes.set_xlabel('iteration')
        axes.set_ylabel('mean cosine')
        legend(axes)

    for method in methods:
        for name in SIMILARITIES:
            last = [run.training[name][1][-1] for run in method.runs if name in run.training]
            if last:
                ends.append(f'{method.name}, {name.replace("_", " ")} ends at {np.mean(last):.2f}')
    return draw_panel(
        'training_similarities',
        'similarity of positives and negatives',
        'Mean cosine of two embeddings of one class (solid) and of two classes (dotted) in a '
        'training batch: the gap between them is what the contrastive branch opens.',
        'Line chart over iterations: ' + sentence_list(ends),
        draw,
    )
