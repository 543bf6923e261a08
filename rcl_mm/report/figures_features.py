"""Figures of the feature space: map, cosine matrix of class means, compactness, angles."""

import warnings
from typing import Dict, List, Optional

import numpy as np
from matplotlib.colors import to_rgb
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from rcl_mm.evaluation.feature_space import FeatureSpace
from rcl_mm.evaluation.results import Results
from rcl_mm.report.figure_style import (
    GROUP_COLOURS,
    GROUP_MARKERS,
    Panel,
    draw_classes,
    draw_panel,
    frequency_axis,
    legend,
    points_caption,
    sentence_list,
    smooth_over_frequency,
)
from rcl_mm.report.fonts import shorten
from rcl_mm.report.methods import Method

MATRIX_SIZE = 150


def map_coordinates(features: np.ndarray, seed: int = 0) -> np.ndarray:
    """t-SNE (van der Maaten and Hinton, JMLR 2008) of unit-norm features.

    Args:
        features (np.ndarray): Features, shape (M, D), M >= 5.
        seed (int): Random seed. Defaults to 0.

    Returns:
        np.ndarray: Places in the plane, shape (M, 2).
    """
    features = features.astype(np.float32)
    if features.shape[1] > 50 and len(features) > 50:
        features = PCA(n_components=50, random_state=seed).fit_transform(features)
    perplexity = min(30.0, (len(features) - 1) / 4)
    # One thread: the same map on every machine, and quick enough for so few points.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        # Collapsed features have no spread: scikit-learn divides by it and goes on with zeros.
        warnings.simplefilter('ignore', RuntimeWarning)
        init = 'pca' if features.std() > 1e-6 else 'random'
        tsne = TSNE(init=init, perplexity=perplexity, max_iter=750, random_state=seed)
        return tsne.fit_transform(features)


def map_panel(method: Method, name: str) -> Optional[Panel]:
    """2-D map of test samples; None with fewer than five."""
    results = method.results[0]
    space = results.spaces[name]
    if len(space.map_features) < 5:
        return None
    places = map_coordinates(space.map_features)
    labels = results.target[space.map_positions]
    groups = results.groups

    def draw(axes) -> None:
        seen: Dict[Optional[str], int] = {}
        for label in np.unique(labels):
            group = groups[label]
            shade = _shade(GROUP_COLOURS[group], seen.get(group, 0))
            own = places[labels == label]
            axes.scatter(
                own[:, 0],
                own[:, 1],
                color=shade,
                marker=GROUP_MARKERS[group],
                s=14 if group == 'few' else 8,
                alpha=0.8,
                edgecolors='black' if group == 'few' else 'none',
                linewidths=0.25,
                label=group if group not in seen else None,
            )
            seen[group] = seen.get(group, 0) + 1
        for label in np.unique(labels):
            tail = groups[label] == 'few'
            axes.annotate(
                shorten(results.classes[label], 14),
                np.median(places[labels == label], axis=0),
                fontsize=7,
                fontweight='bold' if tail else 'normal',
                ha='center',
                va='center',
                bbox=dict(
                    boxstyle='round,pad=0.15',
                    facecolor='white',
                    alpha=0.8,
                    edgecolor=GROUP_COLOURS['few'] if tail else '#999999',
                    linewidth=1.2 if tail else 0.4,
                ),
            )
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(visible=False)
        for side in ('left', 'bottom'):
            axes.spines[side].set_visible(False)
        legend(axes, loc='upper center', bbox_to_anchor=(0.5, 0.0), ncols=3, markerscale=2)

    classes = len(np.unique(labels))
    return draw_panel(
        f'map_{name}_{method.name}',
        f'{method.name}: map of {name}s',
        f't-SNE of {len(labels)} test images of {classes} classes; a label stands at its class. '
        'Few-shot classes are triangles with a bold label. Distances between clusters mean little.',
        f'Map of {len(labels)} test images of {classes} classes of {method.name}, coloured by '
        f'group: {sentence_list(_map_words(places, labels, groups))}',
        draw,
        height=4.4,
    )


def _map_words(places: np.ndarray, labels: np.ndarray, groups: List[Optional[str]]) -> List[str]:
    """How many samples of each group have a nearest neighbour of their class on the map."""
    squared = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    np.fill_diagonal(squared, np.inf)
    same = labels[squared.argmin(axis=1)] == labels
    group = np.array([groups[label] or 'all' for label in labels])
    return [
        f'{100 * same[group == name].mean():.0f} percent of the {name} samples have their nearest '
        'neighbour in their own class'
        for name in dict.fromkeys(group)
    ]


def matrix_panels(methods: List[Method], name: str) -> List[Panel]:
    """Cosine matrices of class means by frequency, and the regular simplex to compare with."""
    matrices = [
        class_cosines(method.results[0], method.results[0].spaces[name]) for method in methods
    ]
    off = np.concatenate([m[~np.eye(len(m), dtype=bool)] for m in matrices])
    off = off[np.isfinite(off)]
    if not len(off):
        return []
    limit = max(0.05, float(np.quantile(np.abs(off), 0.99)))
    num_classes = methods[0].results[0].num_classes
    simplex = np.full_like(matrices[0], -1 / max(1, num_classes - 1))
    if len(simplex) == num_classes:
        np.fill_diagonal(simplex, 1)
    panels = []
    for title, matrix in [*zip([m.name for m in methods], matrices), ('regular simplex', simplex)]:
        panels.append(_matrix_panel(name, title, matrix, limit, num_classes))
    return panels


def class_cosines(results: Results, space: FeatureSpace, size: int = MATRIX_SIZE) -> np.ndarray:
    """Cosines of centred class means, classes by falling training count.

    Above ``size`` classes neighbours are put into as many blocks, whose mean cosine over different
    classes is exact: the mean of products is the product of the blocks' sums.

    Args:
        results (Results): Results of a test.
        space (FeatureSpace): The class means.
        size (int): Largest number of rows. Defaults to 150.

    Returns:
        np.ndarray: Matrix of at most (size, size), NaN for classes without samples.
    """
    tested = np.bincount(results.target, minlength=results.num_classes) > 0
    means = space.class_means.astype(np.float32)
    means[~tested] = np.nan
    centred = means - np.nanmean(means, axis=0)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    # float16 means: below 1e-3 of unit length a direction is rounding.
    unit = np.divide(centred, norms, out=np.full_like(centred, np.nan), where=norms > 1e-3)
    counts = results.train_counts
    order = np.arange(len(unit)) if counts is None else np.argsort(-counts, kind='stable')
    unit = unit[order]
    if len(unit) <= size:
        return unit @ unit.T
    blocks = np.array_split(unit, size)
    sums = np.array([np.nansum(block, axis=0) for block in blocks])
    number = np.array([np.isfinite(block[:, 0]).sum() for block in blocks], dtype=np.float32)
    pairs = np.outer(number, number) - np.diag(number)
    products = sums @ sums.T - np.diag(number)
    return np.divide(products, pairs, out=np.full_like(products, np.nan), where=pairs > 0)


def _matrix_panel(
    name: str, title: str, matrix: np.ndarray, limit: float, num_classes: int
) -> Panel:
    def draw(axes) -> None:
        image = axes.imshow(matrix, cmap='PuOr_r', vmin=-limit, vmax=limit, interpolation='nearest')
        axes.figure.colorbar(image, ax=axes, shrink=0.85, extend='both')
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(visible=False)
        axes.set_xlabel('rarer classes →')
        axes.set_ylabel('← rarer classes')

    off = matrix[~np.eye(len(matrix), dtype=bool)]
    blocks = ''
    if len(matrix) < num_classes:
        blocks = f' A cell is the mean over two of {len(matrix)} blocks of neighbouring classes.'
    return draw_panel(
        f'cosines_{name}_{title}',
        f'{title}: cosines of class means',
        f'Centred class means of {name}s, most frequent class first. Even and slightly negative '
        f'off the diagonal, as in the simplex, is balanced.{blocks}',
        f'Heat map of {title}: cosines off the diagonal have mean {np.nanmean(off):.3f} and '
        f'standard deviation {np.nanstd(off):.3f}.',
        draw,
    )


def class_geometry_panels(methods: List[Method], name: str) -> List[Panel]:
    """Compactness and smallest angle of each class against its frequency."""
    return [
        _geometry_panel(
            methods,
            name,
            'compactness',
            'mean cosine to the class mean',
            'Mean cosine of the test images of a class to their mean: 1 is a single point.',
        ),
        _geometry_panel(
            methods,
            name,
            'angle_min',
            'smallest angle (degrees)',
            'Angle of a class mean to the nearest other one, both centred: small is crowded.',
        ),
    ]


def _geometry_panel(methods: List[Method], name: str, key: str, label: str, caption: str) -> Panel:
    results = methods[0].results[0]
    parts = []

    def draw(axes) -> None:
        for index, method in enumerate(methods):
            counts = method.results[0].train_counts
            values = getattr(method.results[0].spaces[name], key)
            draw_classes(axes, counts, values, index, method.name)
        frequency_axis(axes, results.train_counts, results.many, results.few)
        axes.set_ylabel(label)
        legend(axes)

    for method in methods:
        values = getattr(method.results[0].spaces[name], key)
        _, smooth = smooth_over_frequency(method.results[0].train_counts, values)
        if len(smooth):
            parts.append(
                f'{method.name} goes from {smooth[0]:.3g} for the rarest to {smooth[-1]:.3g} for '
                'the most frequent classes'
            )
    return draw_panel(
        f'{key}_{name}',
        f'{label} of {name}s against frequency',
        f'{caption} {points_caption(results.num_classes)}.',
        'Scatter plot with smoothed lines: ' + sentence_list(parts),
        draw,
    )


def _shade(colour: str, number: int) -> tuple:
    """Lighter and darker versions of a group's colour, so that neighbouring classes differ."""
    base = np.array(to_rgb(colour))
    step = (0, 0.35, -0.3, 0.55)[number % 4]
    return tuple(base + (1 - base) * step if step > 0 else base * (1 + step))
