"""Class sums and a bounded choice of samples of one feature space, over batches and ranks."""

from typing import Dict, List, Optional, Sequence

import numpy as np
import torch
from mmengine.dist import all_gather_object, all_reduce
from torch import Tensor

from rcl_mm.class_counts import shot_groups
from rcl_mm.evaluation.feature_statistics import (
    FeatureStatistics,
    class_geometry,
    geometry_summary,
    uniformity,
)
from rcl_mm.evaluation.sample_reservoir import SampleReservoir

SPACES = ('feature', 'embedding')


def stack_features(data_samples: List[dict], space: str) -> Optional[Tensor]:
    """Features (N, D) of predicted samples, or None if one has none."""
    if not data_samples or any(space not in sample for sample in data_samples):
        return None
    return torch.stack([sample[space] for sample in data_samples])


class FeatureAccumulator:
    """All that the diagnostics need, in memory O(C·D + K·D) whatever the number of samples.

    Args:
        num_classes (int): Number of classes C.
        num_samples (int): Samples K kept for :func:`uniformity`, which needs pairs.
    """

    def __init__(self, num_classes: int, num_samples: int) -> None:
        self.num_classes = num_classes
        self.statistics: Optional[FeatureStatistics] = None
        self.reservoir = SampleReservoir(num_samples)

    def add(self, features: Tensor, labels: Tensor, positions: np.ndarray) -> None:
        """Add features (N, D) of labels (N, ) at data set positions (N, )."""
        if self.statistics is None:
            # Apple's GPUs have no float64.
            device = 'cpu' if features.device.type == 'mps' else features.device
            self.statistics = FeatureStatistics(self.num_classes, features.shape[1], device)
        self.statistics.update(features, labels)
        self.reservoir.add(features, labels.cpu().numpy(), positions)

    def combine_ranks(self) -> bool:
        """Sum over ranks, on every rank; False if no rank has a sample."""
        dim = None if self.statistics is None else self.statistics.sums.shape[1]
        dims, states = zip(*all_gather_object((dim, self.reservoir.state())))
        dim = next((one for one in dims if one is not None), None)
        if dim is None:
            return False
        if self.statistics is None:
            self.statistics = FeatureStatistics(self.num_classes, dim)
        for total in (self.statistics.sums, self.statistics.counts, self.statistics.skipped):
            all_reduce(total)
        self.reservoir.merge(list(states))
        return True

    def summary(
        self, class_counts: Optional[Sequence[int]] = None, many: int = 100, few: int = 20
    ) -> Dict[str, float]:
        """All diagnostics, overall and per shot group, see :class:`FeatureSpaceMetric`."""
        geometry = class_geometry(self.statistics.counts, self.statistics.sums)
        summary = geometry_summary(geometry, class_counts, many, few)
        summary.update(self._uniformity(class_counts, many, few))
        return summary

    def _uniformity(self, class_counts, many: int, few: int) -> Dict[str, float]:
        state = self.reservoir.state()
        if state is None:
            return {}
        features = torch.from_numpy(state['features']).double()
        has_direction = (features != 0).any(dim=1).numpy()
        features = torch.nn.functional.normalize(features, dim=1, eps=0)
        parts = {'': has_direction}
        if class_counts is not None:
            for group, classes in shot_groups(class_counts, many, few).items():
                parts[f'_{group}'] = has_direction & np.isin(state['labels'], classes)
        return {
            f'uniformity{suffix}': uniformity(features[torch.from_numpy(chosen)])
            for suffix, chosen in parts.items()
            if chosen.sum() > 1
        }
