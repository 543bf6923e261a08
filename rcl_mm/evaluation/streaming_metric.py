"""Base of metrics that add up batches instead of keeping every sample."""

from abc import abstractmethod
from typing import Any, Dict, List, Optional, Sequence

import numpy as np
from mmengine.dist import broadcast_object_list, get_dist_info, is_main_process
from mmengine.evaluator import BaseMetric


class StreamingMetric(BaseMetric):
    """A metric whose state does not grow with the number of samples.

    MMEngine's samplers deal sample i·R + r of the data set to rank r of R, and repeat samples at
    the end so that every rank has as many. BaseMetric drops the repeated ones from the list of all
    results; a running sum can not. Only the last sample of a rank can be a repeated one, so it is
    held back until the size of the data set is known.

         rank 0:  0  2  4  6
         rank 1:  1  3  5 (0)      7 samples: position 3·2 + 1 = 7 is not below 7, so it is dropped

    Subclasses implement :meth:`accumulate` and :meth:`summarise`.
    """

    def __init__(self, collect_device: str = 'cpu', prefix: Optional[str] = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self._held_back: List[dict] = []
        self._num_seen = 0

    @abstractmethod
    def accumulate(self, data_samples: Sequence[dict], positions: np.ndarray) -> None:
        """Add samples at data set positions (N, ), int64."""

    @abstractmethod
    def summarise(self, size: int) -> Optional[Dict[str, Any]]:
        """Combine the ranks (called on every rank) and give the metrics (used on the first)."""

    @abstractmethod
    def reset(self) -> None:
        """Forget all samples."""

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Add the batch, but for its last sample, which waits for the next call."""
        samples = self._held_back + list(data_samples)
        if samples:
            self._add(samples[:-1])
            self._held_back = samples[-1:]

    def evaluate(self, size: int) -> Dict[str, Any]:
        """Metrics of the whole data set of ``size`` samples, the same on every rank."""
        rank, world_size = get_dist_info()
        if self._held_back and self._num_seen * world_size + rank < size:
            self._add(self._held_back)
        summary = [self.summarise(size)]
        if is_main_process():
            summary = [{f'{self.prefix}/{name}': value for name, value in summary[0].items()}]
        broadcast_object_list(summary)
        self._held_back = []
        self._num_seen = 0
        self.reset()
        return summary[0]

    def compute_metrics(self, results: list) -> dict:
        """Not used: see :meth:`summarise`."""
        raise NotImplementedError(f'{type(self).__name__} keeps no list of results')

    def _add(self, samples: List[dict]) -> None:
        rank, world_size = get_dist_info()
        positions = (self._num_seen + np.arange(len(samples))) * world_size + rank
        self._num_seen += len(samples)
        if samples:
            self.accumulate(samples, positions)
