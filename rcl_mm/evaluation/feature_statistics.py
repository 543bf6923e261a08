"""Feature-space diagnostics from one sum vector per class: memory O(C·D), not O(samples·D).

Features are normalised to unit length, x, so that the sum S_c = sum of x over class c and the count
n_c hold all that compactness, alignment, within- and between-class scatter and the angles of class
means need (METHOD.md, "Diagnostics of the three aims"):

    mean cosine to the class mean        = |S_c| / n_c
    mean |x - x'|^2 over pairs of c      = 2 - 2 (|S_c|^2 - n_c) / (n_c (n_c - 1))
    trace of the within-class covariance = 1 - |S_c|^2 / n_c^2
"""

from typing import Dict, NamedTuple, Optional, Sequence

import numpy as np
import torch
from torch import Tensor

from rcl_mm.evaluation.class_accuracy import group_means


class FeatureStatistics:
    """Counts and sums of unit-norm features per class, in float64.

    Features of length zero have no direction: they are not counted (``skipped`` says how many).

    Args:
        num_classes (int): Number of classes C.
        dim (int): Length of a feature D.
        device (torch.device | str): Where the sums live. Defaults to ``'cpu'``.
    """

    def __init__(self, num_classes: int, dim: int, device='cpu') -> None:
        self.sums = torch.zeros(num_classes, dim, dtype=torch.float64, device=device)
        self.counts = torch.zeros(num_classes, dtype=torch.float64, device=device)
        self.skipped = torch.zeros(1, dtype=torch.float64, device=device)

    def update(self, features: Tensor, labels: Tensor) -> None:
        """Add features (N, D) of labels (N, ); no host synchronisation."""
        features = features.to(self.sums.device).to(torch.float64)
        labels = labels.to(self.sums.device)
        norms = features.norm(dim=1)
        has_direction = norms != 0
        unit = features / torch.where(has_direction, norms, 1).unsqueeze(1)
        self.sums.index_add_(0, labels, unit)
        self.counts.index_add_(0, labels, has_direction.to(torch.float64))
        self.skipped += (~has_direction).sum()


class ClassGeometry(NamedTuple):
    """One value per class, shape (C, ), NaN where it is not defined.

    Attributes:
        compactness (np.ndarray): Mean cosine of the class's samples to the class mean.
        alignment (np.ndarray): Mean squared distance of two samples of the class (Wang and Isola,
            ICML 2020, alpha = 2); at least two samples.
        within (np.ndarray): Trace of the class's covariance.
        between (np.ndarray): Squared distance of the class mean to the mean of all class means.
        min_angle (np.ndarray): Smallest angle to another centred class mean, in degrees.
        mean_angle (np.ndarray): Mean such angle over the other classes.
        mean_squared_angle (np.ndarray): Mean square of it, for the standard deviation.
        simplex_distance (np.ndarray): Mean over the other classes of |cosine + 1 / (C - 1)|, C
            the number of classes with samples: the distance from the regular simplex (NC2, Papyan
            et al., PNAS 2020).
    """

    compactness: np.ndarray
    alignment: np.ndarray
    within: np.ndarray
    between: np.ndarray
    min_angle: np.ndarray
    mean_angle: np.ndarray
    mean_squared_angle: np.ndarray
    simplex_distance: np.ndarray


def class_geometry(counts: Tensor, sums: Tensor, block: int = 1024) -> ClassGeometry:
    """Per-class diagnostics from the class sums of unit-norm features.

    A class mean that coincides with the mean of all class means has no direction: it takes no part
    in the angles.

    Args:
        counts (Tensor): Samples per class, shape (C, ).
        sums (Tensor): Sums of unit-norm features per class, shape (C, D), float64.
        block (int): Rows of the C x C cosine matrix held at a time. Defaults to 1024.
    """
    num_classes = len(counts)
    seen = counts > 0
    n = counts[seen]
    squared = sums[seen].square().sum(dim=1)

    def spread(values: Tensor) -> np.ndarray:
        full = np.full(num_classes, np.nan)
        full[seen.cpu().numpy()] = values.cpu().numpy()
        return full

    means = sums[seen] / n.unsqueeze(1)
    centred = means - means.mean(dim=0) if len(n) else means
    between = centred.square().sum(dim=1)
    pairs = n * (n - 1)
    alignment = torch.where(pairs > 0, 2 - 2 * (squared - n) / pairs.clamp(min=1), torch.nan)
    angles = _angles(centred, between, block)
    return ClassGeometry(
        spread(squared.sqrt() / n),
        spread(alignment.clamp(min=0)),
        spread((1 - squared / n.square()).clamp(min=0)),
        spread(between),
        *(spread(column) for column in angles),
    )


def _angles(centred: Tensor, squared_norms: Tensor, block: int) -> Sequence[Tensor]:
    """Row statistics of the angles between centred class means (C', D): four tensors (C', )."""
    columns = [torch.full_like(squared_norms, torch.nan) for _ in range(4)]
    # Means of unit vectors: a centred norm at rounding level is a zero, not a direction.
    rows = torch.nonzero(squared_norms.sqrt() > 1e-10).flatten()
    others = len(rows) - 1
    if others < 1:
        return columns
    directions = torch.nn.functional.normalize(centred[rows], dim=1, eps=0)
    for start in range(0, len(rows), block):
        index = rows[start : start + block]
        cosine = (directions[start : start + block] @ directions.T).clamp(-1, 1)
        itself = torch.zeros_like(cosine, dtype=torch.bool)
        itself[:, start : start + len(index)].fill_diagonal_(True)
        angle = torch.rad2deg(torch.arccos(cosine))
        gap = (cosine + 1 / (len(centred) - 1)).abs()
        columns[0][index] = angle.masked_fill(itself, torch.inf).amin(dim=1)
        columns[1][index] = angle.masked_fill(itself, 0).sum(dim=1) / others
        columns[2][index] = angle.masked_fill(itself, 0).square().sum(dim=1) / others
        columns[3][index] = gap.masked_fill(itself, 0).sum(dim=1) / others
    return columns


def geometry_summary(
    geometry: ClassGeometry,
    class_counts: Optional[Sequence[int]] = None,
    many: int = 100,
    few: int = 20,
) -> Dict[str, float]:
    """Means over all classes and over the classes of each shot group.

    A group's angles are those from its classes to ALL other classes. What is not defined (angles of
    a single class, the ratio when all class means coincide) is left out.

    Args:
        geometry (ClassGeometry): See :func:`class_geometry`.
        class_counts (Sequence[int], optional): Training images per class, shape (C, ).
        many (int): Above it a class is many-shot. Defaults to 100.
        few (int): Below it a class is few-shot. Defaults to 20.

    Returns:
        dict[str, float]: ``compactness alignment nc1 angle_mean angle_std angle_min
        simplex_distance``, and the same with ``_many``, ``_medium``, ``_few`` appended. ``nc1`` is
        the trace of the within-class over that of the between-class covariance, both averaged over
        classes. Angles are in degrees.
    """
    parts = {'': {}}
    for name, values in geometry._asdict().items():
        if not np.isnan(values).all():
            parts[''][name] = float(np.nanmean(values))
        for group, mean in group_means(values, class_counts, many, few).items():
            parts.setdefault(f'_{group}', {})[name] = mean
    summary = {}
    for suffix, mean in parts.items():
        for name in ('compactness', 'alignment'):
            if name in mean:
                summary[name + suffix] = mean[name]
        if mean.get('between', 0) > 1e-20:
            summary['nc1' + suffix] = mean['within'] / mean['between']
        if 'mean_angle' in mean:
            variance = mean['mean_squared_angle'] - mean['mean_angle'] ** 2
            summary['angle_mean' + suffix] = mean['mean_angle']
            summary['angle_std' + suffix] = max(variance, 0.0) ** 0.5
            summary['angle_min' + suffix] = mean['min_angle']
            summary['simplex_distance' + suffix] = mean['simplex_distance']
    return summary


def uniformity(features: Tensor, scale: float = 2.0) -> float:
    """Logarithm of the mean Gaussian potential of all pairs (Wang and Isola, ICML 2020).

    Args:
        features (Tensor): Unit-norm features, shape (N, D), N >= 2.
        scale (float): t in exp(-t |x - y|^2). Defaults to 2, as in the paper.

    Returns:
        float: 0 when all features coincide, lower the more evenly they cover the sphere.
    """
    features = features.double()
    similarity = features @ features.T
    itself = torch.eye(len(features), dtype=torch.bool, device=features.device)
    potential = (scale * (2 * similarity - 2)).masked_fill(itself, -torch.inf)
    pairs = len(features) * (len(features) - 1)
    return float(torch.logsumexp(potential.flatten(), dim=0) - np.log(pairs))
