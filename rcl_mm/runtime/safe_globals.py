"""What a checkpoint may be made of: the allow-list of the unpickler.

``torch.load`` builds only what is on an allow-list. MMEngine 0.10 checkpoints hold more than torch
allows by itself: the log history (``HistoryBuffer``), numpy arrays and scalars, and, because
``HistoryBuffer`` pickles its own statistics methods, calls of ``builtins.getattr``. This module
adds exactly these to the list, each behind a stand-in where the original can do more than a
checkpoint needs:

- ``builtins.getattr`` reaches everything: its stand-in knows the statistics methods of
  ``HistoryBuffer`` alone;
- ``numpy.ndarray`` can be laid over any bytes, as pointers if its data type is object: its stand-in
  is a name for ``_reconstruct`` and can not be called, and what ``_reconstruct`` gives takes its
  contents only as plain values of the right length;
- ``numpy.dtype`` takes its insides (item size, flags) from the file: its stand-in reads the type by
  its text.
"""

import math
import pickle
from typing import Any, Callable, List

import numpy as np
from mmengine.logging import HistoryBuffer

try:
    from numpy._core import multiarray as _multiarray
except ImportError:  # numpy < 2 names the same module numpy.core
    from numpy.core import multiarray as _multiarray

STATISTICS_METHODS = ('min', 'max', 'current', 'mean')
# One-letter kinds of numpy data types that hold plain values: bool, integers, floats, complex
# numbers, bytes, text, durations and dates. Objects ('O') and records ('V') are left out.
PLAIN_DTYPE_KINDS = 'biufcSUmM'


def _refuse(wanted: str, allowed: str) -> None:
    raise pickle.UnpicklingError(f'the checkpoint asks for {wanted}; allowed {allowed}')


def _statistics_method(owner: Any, name: str) -> Callable:
    """Stand-in for ``builtins.getattr`` inside a checkpoint."""
    if owner is not HistoryBuffer or name not in STATISTICS_METHODS:
        methods = ', '.join(STATISTICS_METHODS)
        _refuse(
            f'getattr({owner!r}, {name!r})',
            f'are only the statistics methods of HistoryBuffer: {methods}',
        )
    return getattr(HistoryBuffer, name)


class _PlainDtype:
    """Stand-in for ``numpy.dtype`` inside a checkpoint: no objects, no records."""

    def __init__(self, text: Any, *_: Any) -> None:
        self.dtype = _plain(np.dtype(text) if isinstance(text, str) else text)

    def __setstate__(self, state: tuple) -> None:
        """Byte order and unit of dates; all else follows from the text."""
        unit = ''
        if self.dtype.kind in 'mM' and len(state) > 8:
            name, number, *_ = state[8][1]
            unit = f'[{int(number)}{name.decode()}]'
        self.dtype = _plain(np.dtype(f'{self.dtype.str.lstrip("<>|=")}{unit}'))
        if state[1] in ('<', '>'):
            self.dtype = self.dtype.newbyteorder(state[1])


def _plain(dtype: Any) -> np.dtype:
    """A data type of plain values, made anew from its text."""
    if isinstance(dtype, _PlainDtype):
        return dtype.dtype
    if not isinstance(dtype, np.dtype) or dtype.kind not in PLAIN_DTYPE_KINDS:
        _refuse(f'the data type {dtype}', 'are numbers, text and dates')
    return np.dtype(dtype.str)


class PlainArray(np.ndarray):
    """What an array is while it is read from a checkpoint; pickled and copied as a plain one."""

    def __new__(cls, *args: Any, **kwargs: Any) -> 'PlainArray':
        _refuse('an array over memory of its choice', 'are arrays that hold their values')

    def __setstate__(self, state: tuple) -> None:
        """Take shape, type and values, if they fit each other."""
        version, shape, dtype, is_fortran, data = state
        dtype = _plain(dtype)
        shape = tuple(int(size) for size in shape)
        fits = isinstance(data, bytes) and len(data) == math.prod(shape) * dtype.itemsize
        if not fits or min(shape, default=0) < 0:
            _refuse(f'an array of shape {shape} and type {dtype} of other data', 'is what fits')
        super().__setstate__((version, shape, dtype, bool(is_fortran), data))

    def __reduce_ex__(self, protocol: int) -> tuple:
        return self.view(np.ndarray).__reduce_ex__(protocol)


def _ndarray(*args: Any) -> None:
    """Stand-in for ``numpy.ndarray`` inside a checkpoint: a name, not to be called."""
    _refuse('numpy.ndarray over memory of its choice', 'are arrays that hold their values')


def _reconstruct(subtype: Any, shape: tuple, dtype: Any) -> np.ndarray:
    """Stand-in for numpy's ``_reconstruct``: an empty plain array, filled by its own state."""
    if subtype is not NDARRAY and subtype is not np.ndarray:
        _refuse(f'an array of type {subtype!r}', 'is numpy.ndarray')
    return np.ndarray.__new__(PlainArray, (0,), np.int8)


def _scalar(dtype: Any, data: Any = b'') -> np.generic:
    """Stand-in for numpy's ``scalar``: of a plain type, from as many bytes as it takes."""
    dtype = _plain(dtype)
    if not isinstance(data, bytes) or len(data) != dtype.itemsize:
        _refuse(f'a scalar of type {dtype} of other data', 'is what fits')
    return _multiarray.scalar(dtype, data)


def _encode(text: str, encoding: str) -> bytes:
    """Stand-in for ``_codecs.encode``, which is how bytes are pickled; newer torch knows it."""
    if not isinstance(text, str) or encoding != 'latin1':
        _refuse(f'encode({text!r:.20}, {encoding!r})', 'is text in latin1')
    return text.encode(encoding)


def _no_bytes(*args: Any) -> bytes:
    """Stand-in for ``bytes``, which is how empty ones are pickled: the values of an empty array."""
    if args:
        _refuse('bytes(...)', 'is bytes()')
    return b''


def _named(function: Callable, full_name: str) -> Callable:
    """A wrapper of ``function`` that torch's allow-list knows under ``full_name``.

    ``add_safe_globals`` takes (callable, name) pairs only since torch 2.6; module and name of a
    function serve every version alike.
    """

    def stand_in(*args: Any) -> Any:
        return function(*args)

    return _rename(stand_in, full_name, function.__doc__)


def _rename(one: Any, full_name: str, doc: Any) -> Any:
    one.__module__, _, name = full_name.rpartition('.')
    one.__name__ = one.__qualname__ = name
    one.__doc__ = doc
    return one


NDARRAY = _named(_ndarray, 'numpy.ndarray')

# Built once: the allow-list is a set, so importing this module again must not let it grow.
SAFE_GLOBALS: List[Callable] = [
    HistoryBuffer,
    NDARRAY,
    PlainArray,
    # The class itself, because the unpickler looks at the type of what it gives a state.
    _rename(_PlainDtype, 'numpy.dtype', _PlainDtype.__doc__),
    _named(_statistics_method, 'builtins.getattr'),
    _named(_encode, '_codecs.encode'),
    _named(_no_bytes, 'builtins.bytes'),
    # numpy 2 writes the first names, numpy 1 the second ones.
    _named(_reconstruct, 'numpy._core.multiarray._reconstruct'),
    _named(_scalar, 'numpy._core.multiarray.scalar'),
    _named(_reconstruct, 'numpy.core.multiarray._reconstruct'),
    _named(_scalar, 'numpy.core.multiarray.scalar'),
]
