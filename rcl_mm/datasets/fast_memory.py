"""Memory for images that is used again.

A new array of the size of a view (150 KB) costs more time in page faults, at its first use, than
most operations on it take: glibc gives such memory back to the system at once.
"""

import math
import sys
import threading
from collections import deque
from typing import Tuple

import numpy as np

_memory = threading.local()


def scratch(name: str, shape: Tuple[int, ...], dtype: type = np.uint8) -> np.ndarray:
    """Memory of this thread under a name; what it holds is lost at the next call with the name."""
    size = math.prod(shape)
    buffer = getattr(_memory, name, None)
    if buffer is None or buffer.size < size or buffer.dtype != dtype:
        buffer = np.empty(size, dtype)
        setattr(_memory, name, buffer)
    return buffer[:size].reshape(shape)


def pooled(shape: Tuple[int, ...]) -> np.ndarray:
    """A uint8 array in memory of which nothing else holds a reference any more.

    Arrays and tensors made from it (views, ``torch.from_numpy``) count as references, so that it is
    used again only when the last of them is gone: as a rule, when its batch has been collated.
    """
    pools = getattr(_memory, 'pools', None)
    if pools is None:
        pools = _memory.pools = {}
    pool = pools.setdefault(shape, deque())
    if pool:
        # The one given out the longest ago. References: this name and getrefcount's argument.
        array = pool.popleft()
        free = sys.getrefcount(array) == 2
        pool.append(array)
        if free:
            return array
    array = np.empty(shape, np.uint8)
    pool.append(array)
    return array
