"""Metrics for long-tailed recognition."""

from rcl_mm.evaluation.feature_hook import FeatureCollectorHook
from rcl_mm.evaluation.feature_space_metric import FeatureSpaceMetric
from rcl_mm.evaluation.shot_metric import LongTailMetric

__all__ = ['FeatureCollectorHook', 'FeatureSpaceMetric', 'LongTailMetric']
