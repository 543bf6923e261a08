"""Memory that is used again."""

import torch

from rcl_mm.datasets.fast_memory import pooled


def test_pooled__memory_in_use_is_not_given_out_again():
    shape = (2, 3, 5)
    first = pooled(shape)
    tensor = torch.from_numpy(first[1])
    address = first.ctypes.data
    del first
    others = [pooled(shape) for _ in range(3)]
    assert address not in [array.ctypes.data for array in others]
    del tensor
    # Now it is free.
    assert address in [pooled(shape).ctypes.data for _ in range(4)]
