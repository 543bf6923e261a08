"""Metrics for long-tailed recognition."""

from rcl_mm.evaluation.shot_metric import LongTailMetric

__all__ = ['LongTailMetric']
