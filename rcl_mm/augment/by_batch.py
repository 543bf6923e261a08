"""What several batches in one pass need to give the results of each batch alone."""

from typing import Callable, Optional

import torch
from torch import Tensor


def by_batch(function: Callable, batch_size: Optional[int], *tensors: Tensor) -> Tensor:
    """A function of each batch's rows alone.

    For sums and matrix products of several batches in one pass: how they round may depend on the
    number of rows. All else here works on each element, or gives whole numbers.

    Args:
        function (Callable): Of tensors with N rows, to a tensor with N rows.
        batch_size (int, optional): Rows of a batch; None if all rows are one batch.
        tensors: Each of N rows.
    """
    if batch_size is None or len(tensors[0]) <= batch_size:
        return function(*tensors)
    return torch.cat([function(*part) for part in zip(*(t.split(batch_size) for t in tensors))])
