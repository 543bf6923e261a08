"""Random draws that depend on the sample, not on the process that happens to load it.

Each time a sample is drawn it gets one number, its *draw*: a 63-bit integer mixed from (seed,
epoch, index of the sample in the data set). All randomness of its augmentation follows from (draw,
view), so a run gives the same images at any number of workers and after a resume, and no two epochs
repeat each other's augmentations.

The mixing is SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators",
OOPSLA 2014), a bijection of 64-bit integers: ``mix64(a, b, c)`` is
``f(f(f(0 ^ a) ^ b) ^ c)`` with ``f = splitmix64``. It is counter-based: any draw can be computed
alone, for one sample or for a whole batch, with equal results.
"""

from typing import Any, Optional, Union

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIER_1 = np.uint64(0xBF58476D1CE4E5B9)
_MULTIPLIER_2 = np.uint64(0x94D049BB133111EB)
_MASK64 = (1 << 64) - 1
_DRAW_MASK = np.uint64((1 << 63) - 1)

IntArray = Union[int, np.integer, np.ndarray]


def _as_uint64(values: IntArray) -> np.ndarray:
    """Integers of any size or sign as uint64, modulo 2^64."""
    if isinstance(values, (int, np.integer)):
        return np.asarray(int(values) & _MASK64, dtype=np.uint64)
    values = np.asarray(values)
    if not np.issubdtype(values.dtype, np.integer):
        raise TypeError(f'draws must be integers, got {values.dtype}: pass DrawIndex.draw')
    return values.astype(np.uint64)


def splitmix64(values: IntArray) -> np.ndarray:
    """One SplitMix64 step of each value: uint64 to uint64, any shape."""
    with np.errstate(over='ignore'):
        z = _as_uint64(values) + _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * _MULTIPLIER_1
        z = (z ^ (z >> np.uint64(27))) * _MULTIPLIER_2
        return z ^ (z >> np.uint64(31))


def mix64(*parts: IntArray) -> np.ndarray:
    """Mix integers, or arrays of them that broadcast, into uint64; the order matters."""
    mixed = np.zeros((), dtype=np.uint64)
    for part in parts:
        mixed = splitmix64(mixed ^ _as_uint64(part))
    return mixed


def mix64_int(*parts: int) -> int:
    """:func:`mix64` of Python integers, ten times faster than numpy is for one value."""
    mixed = 0
    for part in parts:
        z = ((mixed ^ (part & _MASK64)) + int(_GOLDEN)) & _MASK64
        z = ((z ^ (z >> 30)) * int(_MULTIPLIER_1)) & _MASK64
        z = ((z ^ (z >> 27)) * int(_MULTIPLIER_2)) & _MASK64
        mixed = z ^ (z >> 31)
    return mixed


def sample_draws(seed: int, epoch: int, indices: IntArray) -> np.ndarray:
    """The draws of samples in an epoch.

    Args:
        seed (int): Seed of the run.
        epoch (int): Epoch, or number of the pass over the data.
        indices (int | np.ndarray): Index of each sample in the outermost data set, shape (N, ).

    Returns:
        np.ndarray: Draws in [0, 2^63), int64 (they fit an int64 tensor too), shape (N, ).
    """
    return (mix64(seed, epoch, indices) & _DRAW_MASK).astype(np.int64)


def uniforms(draws: IntArray, view: int, n: int) -> np.ndarray:
    """Uniform random numbers in [0, 1), a pure function of (draw, view, position).

    Args:
        draws (int | np.ndarray): One draw per sample, int64 or uint64, shape (N, ).
        view (int): The view that they are for; streams of different views are independent.
        n (int): Numbers per sample.

    Returns:
        np.ndarray: float64, shape (N, n). Row i depends on ``draws[i]`` alone, and the first m of n
        numbers do not depend on n.

    Example:
        >>> bool((uniforms([7, 8], view=1, n=3)[1] == uniforms(8, view=1, n=3)[0]).all())
        True
    """
    keys = np.atleast_1d(mix64(draws, view))
    if keys.ndim != 1:
        raise ValueError(f'draws must have shape (N,), got {keys.shape}: flatten them')
    with np.errstate(over='ignore'):
        counters = np.arange(n, dtype=np.uint64) * _GOLDEN
        bits = splitmix64(keys[:, None] + counters[None, :])
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


class DrawIndex(int):
    """A sample index that carries the draw it was picked with.

    It is an ``int`` in every respect. Shifting or folding it (``+``, ``-``, ``%``), as wrappers of
    data sets do to find the inner index, keeps the draw; so do pickling and copying.

    Args:
        index (int): The sample index.
        draw (int): The draw, see :func:`sample_draws`.
    """

    draw: int

    def __new__(cls, index: int, draw: int) -> 'DrawIndex':
        self = super().__new__(cls, index)
        self.draw = int(draw)
        return self

    def __getnewargs__(self):
        return int(self), self.draw

    def __deepcopy__(self, memo) -> 'DrawIndex':
        return self

    def with_index(self, index: int) -> 'DrawIndex':
        """The same draw at another index."""
        return DrawIndex(index, self.draw)

    def _keep_draw(self, result: Any):
        return DrawIndex(result, self.draw) if isinstance(result, int) else result

    def __add__(self, other):
        return self._keep_draw(int.__add__(self, other))

    __radd__ = __add__

    def __sub__(self, other):
        return self._keep_draw(int.__sub__(self, other))

    def __mod__(self, other):
        return self._keep_draw(int.__mod__(self, other))


def keep_draw(index: int, new_index: int) -> int:
    """``new_index`` as an int that carries the draw of ``index`` if that has one."""
    new_index = int(new_index)
    return index.with_index(new_index) if isinstance(index, DrawIndex) else new_index


def draw_of(index: Any) -> Optional[int]:
    """The draw of an index, None if it carries none."""
    return getattr(index, 'draw', None)
