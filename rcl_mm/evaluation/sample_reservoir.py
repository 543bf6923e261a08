"""A bounded, reproducible choice of samples from a stream, the same at any number of ranks."""

from typing import Dict, List, Optional

import numpy as np
import torch
from torch import Tensor

from rcl_mm.augment.draws import splitmix64


class SampleReservoir:
    """Keeps the features of the ``capacity`` samples with the smallest keys.

    The key depends on the sample's position in the data set alone, so the choice is the same
    whatever the batch size and the number of ranks, and the union of the ranks' reservoirs holds
    the reservoir of the whole.

    Args:
        capacity (int): Samples to keep; with ``per_class``, samples of each class.
        per_class (bool): Whether ``capacity`` is per class. Defaults to False.
        classes (np.ndarray, optional): Only these classes are kept. Defaults to all.
    """

    def __init__(
        self, capacity: int, per_class: bool = False, classes: Optional[np.ndarray] = None
    ) -> None:
        self.capacity = capacity
        self.per_class = per_class
        self.classes = classes
        self._parts: List[Dict[str, np.ndarray]] = []
        self._waiting = 0
        self._limit: Optional[np.uint64] = None  # keys above it can no longer be kept

    def add(self, features: Tensor, labels: np.ndarray, positions: np.ndarray) -> None:
        """Offer features (N, D) of labels (N, ) at data set positions (N, )."""
        index = np.arange(len(labels))
        if self.classes is not None:
            index = index[np.isin(labels, self.classes)]
        keys = splitmix64(positions)
        if self._limit is not None:
            index = index[keys[index] < self._limit]
        if not len(index):
            return
        chosen = features[torch.as_tensor(index, device=features.device)].float().cpu().numpy()
        self._parts.append(
            {
                'features': chosen,
                'labels': np.asarray(labels)[index],
                'positions': np.asarray(positions)[index],
                'keys': keys[index],
            }
        )
        self._waiting += len(index)
        if self._waiting >= max(self.capacity, 256):
            self._shrink()

    def state(self) -> Optional[Dict[str, np.ndarray]]:
        """The kept samples by ascending key: features, labels, positions, keys; None if none."""
        self._shrink()
        return self._parts[0] if self._parts else None

    def merge(self, states: List[Optional[Dict[str, np.ndarray]]]) -> None:
        """Replace the content by that of several reservoirs together, e.g. one per rank."""
        self._parts = [state for state in states if state is not None]
        self._shrink()

    def _shrink(self) -> None:
        self._waiting = 0
        if not self._parts:
            return
        joined = {
            name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]
        }
        order = np.argsort(joined['keys'], kind='stable')
        if self.per_class:
            labels = joined['labels'][order]
            by_class = np.argsort(labels, kind='stable')
            first = np.searchsorted(labels[by_class], labels[by_class])
            rank_in_class = np.empty(len(order), dtype=np.int64)
            rank_in_class[by_class] = np.arange(len(order)) - first
            order = order[rank_in_class < self.capacity]
        else:
            order = order[: self.capacity]
            if len(order) == self.capacity:
                self._limit = joined['keys'][order[-1]]
        self._parts = [{name: values[order] for name, values in joined.items()}]
