"""Intervals and paired differences, against scipy and against numbers worked out by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from rcl_mm.report.statistics import Estimate, format_estimate, mean_interval, paired_difference


class TestMeanInterval:
    def test_by_hand(self) -> None:
        # Mean 3, standard deviation sqrt(2.5), n = 5: t(0.975, 4) = 2.776445.
        estimate = mean_interval([1, 2, 3, 4, 5])
        assert estimate.mean == 3 and estimate.n == 5
        assert estimate.half_width == pytest.approx(2.776445 * math.sqrt(2.5 / 5), rel=1e-6)

    @pytest.mark.parametrize('n', [2, 3, 10])
    @pytest.mark.parametrize('confidence', [0.5, 0.95, 0.99])
    def test_is_scipys_interval(self, n, confidence) -> None:
        values = np.random.default_rng(n).normal(80, 2, n)
        low, high = stats.t.interval(confidence, n - 1, values.mean(), stats.sem(values))
        estimate = mean_interval(values, confidence)
        assert estimate.mean - estimate.half_width == pytest.approx(low)
        assert estimate.mean + estimate.half_width == pytest.approx(high)

    def test_covers_the_truth_as_often_as_it_says(self) -> None:
        draws = np.random.default_rng(0).normal(5, 1, (2000, 4))
        estimates = [mean_interval(draw) for draw in draws]
        covered = np.mean([abs(e.mean - 5) <= e.half_width for e in estimates])
        assert 0.935 < covered < 0.965  # three standard errors

    def test_one_run_has_no_interval(self) -> None:
        assert mean_interval([81.5]) == Estimate(81.5, None, 1)
        assert not mean_interval([81.5]).differs_from_zero

    def test_equal_runs_have_width_zero(self) -> None:
        assert mean_interval([7.0, 7.0, 7.0]).half_width == 0

    @pytest.mark.parametrize(
        'values, message',
        [([], 'n >= 1'), ([[1.0, 2.0]], 'allowed is'), ([1, math.nan], 'nan'), ([math.inf], 'inf')],
    )
    def test_refuses(self, values, message) -> None:
        with pytest.raises(ValueError, match=message):
            mean_interval(values)

    @pytest.mark.parametrize('confidence', [0, 1, 95])
    def test_refuses_confidence(self, confidence) -> None:
        with pytest.raises(ValueError, match='between 0 and 1'):
            mean_interval([1.0, 2.0], confidence)


class TestPairedDifference:
    def test_is_scipys_paired_test(self) -> None:
        rng = np.random.default_rng(1)
        seeds = rng.normal(0, 5, 10)
        ours, theirs = 81 + seeds + rng.normal(0, 0.3, 10), 80 + seeds + rng.normal(0, 0.3, 10)
        estimate = paired_difference(ours, theirs)
        test = stats.ttest_rel(ours, theirs)
        interval = test.confidence_interval(0.95)
        assert estimate.mean == pytest.approx((ours - theirs).mean())
        assert estimate.p_value == pytest.approx(test.pvalue)
        assert estimate.mean - estimate.half_width == pytest.approx(interval.low)
        assert estimate.differs_from_zero and test.pvalue < 0.05
        # What the seeds do to both cancels: unpaired, the same runs show nothing.
        assert stats.ttest_ind(ours, theirs).pvalue > 0.1

    @pytest.mark.parametrize('seed', range(20))
    def test_interval_and_p_value_agree(self, seed) -> None:
        rng = np.random.default_rng(seed)
        ours, theirs = rng.normal(0.5, 1, 8), rng.normal(0, 1, 8)
        estimate = paired_difference(ours, theirs)
        assert estimate.differs_from_zero == (estimate.p_value < 0.05)

    def test_the_same_in_every_run(self) -> None:
        for values, baseline in (([1, 2], [1, 2]), ([80.1, 81.2, 82.3], [80.0, 81.1, 82.2])):
            estimate = paired_difference(values, baseline)
            assert estimate.half_width == 0 and estimate.p_value is None
            assert not estimate.differs_from_zero

    def test_one_pair(self) -> None:
        assert paired_difference([3.0], [1.0]) == Estimate(2.0, None, 1)

    def test_refuses_runs_without_a_partner(self) -> None:
        with pytest.raises(ValueError, match='3 values against 2'):
            paired_difference([1, 2, 3], [1, 2])


@pytest.mark.parametrize(
    'estimate, sign, text',
    [
        (Estimate(83.44, 0.66, 5), False, '83.4 ± 0.7'),
        (Estimate(83.44, None, 1), False, '83.4'),
        (Estimate(1.2, 0.8, 5), True, '**+1.2 ± 0.8**'),
        (Estimate(-1.2, 0.8, 5), True, '**-1.2 ± 0.8**'),
        (Estimate(0.5, 0.8, 5), True, '+0.5 ± 0.8'),
        (Estimate(1.2, 0.8, 5), False, '1.2 ± 0.8'),
        (None, True, '-'),
    ],
)
def test_format_estimate(estimate, sign, text) -> None:
    assert format_estimate(estimate, sign=sign) == text
