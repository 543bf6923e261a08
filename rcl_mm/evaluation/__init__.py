"""Metrics for long-tailed recognition and the results of a test."""

from rcl_mm.evaluation.feature_space_metric import FeatureSpaceMetric
from rcl_mm.evaluation.long_tail_metric import LongTailMetric
from rcl_mm.evaluation.results import Results, read_results, write_results
from rcl_mm.evaluation.results_recorder import ResultsRecorder

__all__ = [
    'FeatureSpaceMetric',
    'LongTailMetric',
    'Results',
    'ResultsRecorder',
    'read_results',
    'write_results',
]
