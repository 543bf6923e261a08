"""Safe loading of MMEngine checkpoints on today's torch.

``torch.load`` builds only what is on an allow-list. MMEngine 0.10 checkpoints hold more than torch
allows by itself: the log history (``HistoryBuffer``), numpy arrays and scalars, and, because
``HistoryBuffer`` pickles its own statistics methods, calls of ``builtins.getattr``. This module
adds exactly these to the list; everything else in a checkpoint is refused with its name, and no
checkpoint can make the program run code of the checkpoint's choice.

``builtins.getattr`` itself is never allowed (it reaches everything): a stand-in answers for it that
knows only the statistics methods of ``HistoryBuffer``. Object arrays are never allowed either.
"""

import logging
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any, Callable, List, Optional, Union

import numpy as np
import torch
from mmengine.dist import barrier, get_rank
from mmengine.logging import HistoryBuffer, print_log
from mmengine.runner.checkpoint import CheckpointLoader

try:
    from numpy._core import multiarray as _multiarray
except ImportError:  # numpy < 2 names the same module numpy.core
    from numpy.core import multiarray as _multiarray

STATISTICS_METHODS = ('min', 'max', 'current', 'mean')
# One-letter kinds of numpy data types that hold plain values: bool, integers, floats, complex
# numbers, bytes, text, durations and dates. Objects ('O') and records ('V') are left out.
PLAIN_DTYPE_KINDS = 'biufcSUmM'


class CheckpointError(ValueError):
    """A checkpoint that is cut short, corrupt, or asks for something it must not have."""


def _statistics_method(owner: Any, name: str) -> Callable:
    """Stand-in for ``builtins.getattr`` inside a checkpoint."""
    if owner is not HistoryBuffer or name not in STATISTICS_METHODS:
        raise pickle.UnpicklingError(
            f'the checkpoint asks for getattr({owner!r}, {name!r}); allowed are only the '
            f'statistics methods of HistoryBuffer: {", ".join(STATISTICS_METHODS)}'
        )
    return getattr(HistoryBuffer, name)


def _plain_dtype(*args: Any) -> np.dtype:
    """Stand-in for ``numpy.dtype`` inside a checkpoint: no objects, no records."""
    dtype = np.dtype(*args)
    if dtype.kind not in PLAIN_DTYPE_KINDS:
        raise pickle.UnpicklingError(
            f'the checkpoint asks for an array of data type {dtype}; allowed are numbers, text '
            'and dates'
        )
    return dtype


def _reconstruct(subtype: type, shape: tuple, dtype: Any) -> np.ndarray:
    """Stand-in for numpy's ``_reconstruct``: plain arrays only, filled by their own state."""
    if subtype is not np.ndarray:
        raise pickle.UnpicklingError(
            f'the checkpoint asks for an array of type {subtype!r}; allowed is numpy.ndarray'
        )
    return _multiarray._reconstruct(subtype, shape, dtype)


def _scalar(dtype: np.dtype, *args: Any) -> np.generic:
    """Stand-in for numpy's ``scalar``: a dtype that passed :func:`_plain_dtype`."""
    if not isinstance(dtype, np.dtype) or dtype.kind not in PLAIN_DTYPE_KINDS:
        raise pickle.UnpicklingError(
            f'the checkpoint asks for a scalar of data type {dtype!r}; allowed are numbers, text '
            'and dates'
        )
    return _multiarray.scalar(dtype, *args)


def _encode(text: str, encoding: str) -> bytes:
    """Stand-in for ``_codecs.encode``, which is how bytes are pickled; newer torch knows it."""
    if not isinstance(text, str) or encoding != 'latin1':
        raise pickle.UnpicklingError(
            f'the checkpoint asks for encode({text!r:.20}, {encoding!r}); allowed is text in latin1'
        )
    return text.encode(encoding)


def _named(function: Callable, full_name: str) -> Callable:
    """A wrapper of ``function`` that torch's allow-list knows under ``full_name``.

    ``add_safe_globals`` takes (callable, name) pairs only since torch 2.6; module and name of a
    function serve every version alike.
    """

    def stand_in(*args: Any) -> Any:
        return function(*args)

    stand_in.__module__, _, name = full_name.rpartition('.')
    stand_in.__name__ = stand_in.__qualname__ = name
    stand_in.__doc__ = function.__doc__
    return stand_in


def _plain_dtype_classes() -> List[type]:
    """The classes of plain data types (``numpy.dtypes.Float64DType``, ...)."""
    codes = [code for code in np.typecodes['All'] if np.dtype(code).kind in PLAIN_DTYPE_KINDS]
    return sorted({type(np.dtype(code)) for code in codes}, key=lambda cls: cls.__name__)


# Built once: the allow-list is a set, so importing this module again must not let it grow.
SAFE_GLOBALS: List[Callable] = [
    HistoryBuffer,
    np.ndarray,
    *_plain_dtype_classes(),
    _named(_statistics_method, 'builtins.getattr'),
    _named(_plain_dtype, 'numpy.dtype'),
    _named(_encode, '_codecs.encode'),
    # numpy 2 writes the first names, numpy 1 the second ones.
    _named(_reconstruct, 'numpy._core.multiarray._reconstruct'),
    _named(_scalar, 'numpy._core.multiarray.scalar'),
    _named(_reconstruct, 'numpy.core.multiarray._reconstruct'),
    _named(_scalar, 'numpy.core.multiarray.scalar'),
]


def load_checkpoint_file(
    path: Union[str, Path],
    map_location: Union[str, torch.device, Callable, None] = 'cpu',
    mmap: bool = False,
) -> dict:
    """Load a local checkpoint without ever running code from it.

    Args:
        path (str | Path): The checkpoint.
        map_location: As in ``torch.load``. Defaults to 'cpu'.
        mmap (bool): Map the weights instead of reading them: quick where only the rest is looked
            at. Defaults to False.

    Returns:
        dict: The checkpoint.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If the file is cut short or corrupt, or asks for a function or class that
            is not on the allow-list (named in the message).
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'{path} can not be found: give the path of a checkpoint (.pth)')
    try:
        checkpoint = torch.load(path, map_location=map_location, weights_only=True, mmap=mmap)
    except Exception as error:
        raise CheckpointError(_explain(path, error)) from error
    return _without_code(checkpoint)


def _without_code(checkpoint: Any) -> Any:
    """Drop the config texts of a checkpoint that MMEngine would execute as Python.

    ``Runner.resume`` executes ``meta.config`` (which MMEngine itself does not write, but someone
    who wants code to run can), and the message hub hands ``runtime_info.cfg`` to whoever asks for
    the config of the run. The record of the config in ``meta.cfg`` stays; nothing executes it.
    """
    if not isinstance(checkpoint, dict):
        return checkpoint
    meta, hub = checkpoint.get('meta'), checkpoint.get('message_hub')
    if isinstance(meta, dict) and meta.pop('config', None) is not None:
        print_log(
            'the checkpoint has a config in meta.config: it is ignored, because it would be '
            'executed as Python',
            'current',
            logging.WARNING,
        )
    runtime_info = hub.get('runtime_info') if isinstance(hub, dict) else None
    if isinstance(runtime_info, dict):
        runtime_info.pop('cfg', None)
    return checkpoint


def _explain(source: Union[str, Path], error: Exception) -> str:
    """One line that says why a checkpoint can not be used."""
    text = str(error)
    for pattern in (
        r'GLOBAL (\S+) was not an allowed global',
        r'unsupported GLOBAL (\S+) whose module',
        r'the checkpoint asks for ([^;]+);',
    ):
        wanted = re.search(pattern, text)
        if wanted:
            return (
                f'checkpoint "{source}" is refused: it asks for {wanted.group(1)}, which is not on '
                'the list of safe globals, see docs/reliability.md'
            )
    first_line = text.strip().splitlines()[0] if text.strip() else ''
    return (
        f'checkpoint "{source}" is cut short or corrupt ({type(error).__name__}: '
        f'{first_line[:120]}): use another one'
    )


def is_whole(path: Union[str, Path]) -> bool:
    """Whether a checkpoint file is complete and uncorrupted, by the checksums in the file.

    Reads the whole file but builds no object from it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile, EOFError):
        return False


def load_from_local(filename: str, map_location: Any) -> dict:
    """MMEngine's loader of local files, made safe on every torch version."""
    return load_checkpoint_file(filename, map_location)


def load_from_http(
    filename: str,
    map_location: Any = None,
    model_dir: Optional[str] = None,
    progress: bool = False,
) -> dict:
    """MMEngine's loader of URLs, made safe: torch's own would not limit what is unpickled."""

    def load() -> dict:
        try:
            return _without_code(
                torch.hub.load_state_dict_from_url(
                    filename, model_dir, map_location, progress, weights_only=True
                )
            )
        except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
            raise CheckpointError(_explain(filename, error)) from error

    # One process downloads, then all read the cached file.
    checkpoint = load() if get_rank() == 0 else None
    barrier()
    return load() if checkpoint is None else checkpoint


def register_safe_loading() -> None:
    """Make torch and MMEngine load checkpoints safely: called when ``rcl_mm.engine`` is imported.

    ``torch.serialization.add_safe_globals`` serves every caller of ``torch.load``; the two loaders
    serve what torch does not cover: versions before 2.6, whose ``torch.load`` is unsafe unless told
    otherwise, and URLs.

    Raises:
        ImportError: If torch is older than 2.4 and so has no allow-list.
    """
    if not hasattr(torch.serialization, 'add_safe_globals'):
        raise ImportError(
            f'torch {torch.__version__} has no list of safe globals, so checkpoints could only be '
            'loaded by running code from them: install torch 2.4 or newer'
        )
    torch.serialization.add_safe_globals(SAFE_GLOBALS)
    CheckpointLoader.register_scheme(prefixes='', loader=load_from_local, force=True)
    CheckpointLoader.register_scheme(
        prefixes=('http://', 'https://'), loader=load_from_http, force=True
    )
