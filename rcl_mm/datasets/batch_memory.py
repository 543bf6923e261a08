"""Views written where their batch will be, so that collating them copies nothing.

A copy of three views of 224 is 450 KB read and 450 KB written, most of it outside the processor's
cache. Samples are made one after the other, in the order of their batch::

    batch of view 0: [sample 0 | sample 1 | ...]    take_views: the next row of each batch
    batch of view 1: [sample 0 | sample 1 | ...]    finish_batch: the rows that were taken

What does not come out so (the first batch, whose size is not known yet, a sample that was thrown
away, an image replaced by a later transform) is copied as usual.
"""

import math
import threading
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from rcl_mm.datasets.fast_memory import pooled

Shape = Tuple[int, ...]


class _Batch:
    """The batch that this thread is filling: one tensor (N, H, W, 3) for each view."""

    def __init__(self, shape: Shape, size: int) -> None:
        self.shape, self.size, self.taken = shape, size, 0
        self.views = [empty_batch((size, *shape[1:])) for _ in range(shape[0])]
        self.arrays = [view.numpy() for view in self.views]

    def holds(self, view: int, images: Sequence[Tensor]) -> bool:
        """Whether images are the first rows of a view."""
        rows = self.views[view]
        start, step = rows.data_ptr(), math.prod(self.shape[1:])
        return len(images) <= self.size and all(
            image.data_ptr() == start + row * step
            and image.shape == self.shape[1:]
            and image.is_contiguous()
            for row, image in enumerate(images)
        )


class _Memory(threading.local):
    """Of each thread: the batch it is filling, and its largest batch by the shape of a sample."""

    def __init__(self) -> None:
        self.batch: Optional[_Batch] = None
        self.sizes: Dict[Shape, int] = {}


_memory = _Memory()


def empty_batch(shape: Shape) -> Tensor:
    """uint8 memory: of a batch that is gone, or shared with the main process in a worker."""
    if get_worker_info() is None:
        return torch.from_numpy(pooled(shape))
    storage = torch.UntypedStorage._new_shared(math.prod(shape))
    return torch.empty(0, dtype=torch.uint8).set_(storage).view(shape)


def take_views(shape: Shape) -> List[np.ndarray]:
    """Memory for the views of the next sample.

    Args:
        shape (tuple): V, height, width, 3.

    Returns:
        list[np.ndarray]: V arrays, uint8, contiguous, (height, width, 3); their values are left
        over from earlier batches.
    """
    size = _memory.sizes.get(shape)
    if size is None:
        return list(pooled(shape))
    batch = _memory.batch
    if batch is None or batch.shape != shape or batch.taken == batch.size:
        batch = _memory.batch = _Batch(shape, size)
    batch.taken += 1
    return [array[batch.taken - 1] for array in batch.arrays]


def finish_batch(images: Sequence[Sequence[Tensor]]) -> Optional[List[Tensor]]:
    """The batch of some samples, if they lie in it one after the other; the next one is a new one.

    Args:
        images (Sequence[Sequence[Tensor]]): V views of N images, uint8, (H, W, 3) each.

    Returns:
        list[Tensor] | None: V tensors (N, H, W, 3) in the images' own memory.
    """
    batch, _memory.batch = _memory.batch, None
    shape, sizes = (len(images), *images[0][0].shape), _memory.sizes
    # The last batch of an epoch may be a smaller one.
    sizes[shape] = max(len(images[0]), sizes.get(shape, 0))
    if batch is None or batch.shape != shape:
        return None
    if not all(batch.holds(view, rows) for view, rows in enumerate(images)):
        return None
    return [view[: len(rows)] for view, rows in zip(batch.views, images)]
