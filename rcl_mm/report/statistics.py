"""Means with intervals and paired differences over repeated runs."""

import math
from dataclasses import dataclass
from typing import Optional, Sequence

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Estimate:
    """A mean and how sure it is.

    Attributes:
        mean (float): Mean over the runs.
        half_width (float, optional): Half the width of the confidence interval; None for one run.
        n (int): Number of runs.
        p_value (float, optional): Of the hypothesis that the mean is zero; differences only.
    """

    mean: float
    half_width: Optional[float]
    n: int
    p_value: Optional[float] = None

    @property
    def differs_from_zero(self) -> bool:
        """Whether the interval leaves zero out.

        The same difference in every run, as two or three runs on a small test set often have it,
        has no spread to judge by: it does not.
        """
        return bool(self.half_width) and abs(self.mean) > self.half_width


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Mean with its interval by Student's t distribution.

    Args:
        values (Sequence[float]): One value for each run, shape (n, ).
        confidence (float): Between 0 and 1. Defaults to 0.95.

    Raises:
        ValueError: If there are no values, one is not finite, or the confidence is out of range.
    """
    values = _finite(values)
    if not 0 < confidence < 1:
        raise ValueError(f'confidence is {confidence}, allowed is between 0 and 1')
    n = len(values)
    if n < 2:
        return Estimate(float(values[0]), None, n)
    width = stats.t.ppf((1 + confidence) / 2, n - 1) * stats.sem(values)
    return Estimate(float(values.mean()), float(width), n)


def paired_difference(
    values: Sequence[float], baseline: Sequence[float], confidence: float = 0.95
) -> Estimate:
    """Mean of ``values - baseline``, run by run, with the two-sided paired t test.

    Runs that belong together (same seed, same data) stand at the same place: what a seed does to
    both cancels, and the interval is narrower than that of two separate means.

    Args:
        values (Sequence[float]): Shape (n, ).
        baseline (Sequence[float]): Shape (n, ).
        confidence (float): Between 0 and 1. Defaults to 0.95.

    Raises:
        ValueError: If the two have different lengths, or as :func:`mean_interval`.
    """
    values, baseline = _finite(values), _finite(baseline)
    if len(values) != len(baseline):
        raise ValueError(
            f'{len(values)} values against {len(baseline)} of the baseline: a paired comparison '
            'needs one of each for each run'
        )
    difference = values - baseline
    estimate = mean_interval(difference, confidence)
    if estimate.n < 2:
        return estimate
    if np.ptp(difference) <= 1e-9 * max(1.0, np.abs(values).max()):
        # The same difference in every run, but for rounding: the t statistic says nothing.
        return Estimate(estimate.mean, 0.0, estimate.n)
    p_value = float(stats.ttest_rel(values, baseline).pvalue)
    return Estimate(estimate.mean, estimate.half_width, estimate.n, p_value)


def _finite(values: Sequence[float]) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or not len(values):
        raise ValueError(f'values have shape {values.shape}, allowed is (n, ) with n >= 1')
    if not np.isfinite(values).all():
        raise ValueError(f'values hold {values[~np.isfinite(values)][0]}, allowed are finite ones')
    return values


def format_estimate(estimate: Optional[Estimate], digits: int = 1, sign: bool = False) -> str:
    """An estimate for a table: ``83.4 ± 0.7``; a difference is bold if its interval leaves 0 out.

    Args:
        estimate (Estimate, optional): None gives a dash.
        digits (int): Digits after the point. Defaults to 1.
        sign (bool): Whether it is a difference. Defaults to False.
    """
    if estimate is None or math.isnan(estimate.mean):
        return '-'
    text = f'{estimate.mean:{"+" if sign else ""}.{digits}f}'
    if estimate.half_width is not None:
        text += f' ± {estimate.half_width:.{digits}f}'
    return f'**{text}**' if sign and estimate.differs_from_zero else text
