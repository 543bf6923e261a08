"""Reading what a command names: config files and the paths of checkpoints."""

import os
import os.path as osp
import traceback
from typing import Any, List, Optional

from mmengine.config import Config
from mmengine.utils import import_modules_from_strings, is_seq_of

from rcl_mm.class_counts import inner_datasets
from rcl_mm.errors import InputError, UsageError
from rcl_mm.runtime.checkpoint import unreadable
from rcl_mm.runtime.config_types import use_text_types

# What executing and merging config files raises: every line of them is the user's.
UNREADABLE = (
    RuntimeError,
    ImportError,
    NameError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    AssertionError,
)
# MMEngine's functions that read a config file, each base file in a call of its own.
CONFIG_READERS = ('_is_lazy_import', '_file2dict', '_parse_lazy_import')


def read_config(path: str) -> Config:
    """The config file that an argument names; its ``custom_imports`` are imported.

    The types of a new-style config are named by text in it, as ``Config.dump`` would.

    Raises:
        UsageError: If it does not exist.
        InputError: If it or one of its base files is no Python, can not be executed or merged, or
            names a module that can not be imported.
        OSError: If a base file does not exist.
    """
    check_config(path)
    try:
        cfg = Config.fromfile(path, import_custom_modules=False)
        use_text_types(cfg)
    except SyntaxError as error:
        if error.filename not in (None, '<unknown>'):
            raise InputError(f'config "{path}" can not be read: {error}') from error
        file = _config_being_read(error) or path
        line = f', line {error.lineno}' if error.lineno else ''
        raise InputError(f'config "{file}"{line} is no valid Python: {error.msg}') from error
    except UNREADABLE as error:
        file = _config_being_read(error) or path
        reason = f'{type(error).__name__}: {error}'
        raise InputError(f'config "{file}" can not be read: {reason}') from error
    _import_custom_modules(cfg.get('custom_imports'), path)
    return cfg


def _import_custom_modules(wanted: Any, path: str) -> None:
    """Import what ``custom_imports`` of a config names, as MMEngine does."""
    if not wanted:
        return
    if not isinstance(wanted, dict) or not {*wanted} <= {'imports', 'allow_failed_imports'}:
        raise InputError(
            f'config "{path}": custom_imports is {wanted!r}, allowed is '
            'dict(imports=[...], allow_failed_imports=False)'
        )
    names = wanted.get('imports') or []
    names = [names] if isinstance(names, str) else names
    if not is_seq_of(names, str):
        raise InputError(
            f'config "{path}": custom_imports.imports is {names!r}, allowed is a list of the names '
            'of modules'
        )
    try:
        import_modules_from_strings(list(names), wanted.get('allow_failed_imports', False))
    except (ImportError, SyntaxError) as error:
        reason = error.__context__ if isinstance(error.__context__, ImportError) else error
        raise InputError(
            f'config "{path}": custom_imports {list(names)} can not be imported: {reason}; install '
            'the package or put its folder on PYTHONPATH'
        ) from error


def loader_pipeline(loader: Optional[dict]) -> List[dict]:
    """The pipeline of the first data set in a loader's config that has one; [] if none has."""
    pipelines = (dataset.get('pipeline') for dataset in inner_datasets(loader or {}))
    return next((list(pipeline) for pipeline in pipelines if pipeline), [])


def _config_being_read(error: Exception) -> Optional[str]:
    """The file MMEngine was at, which parses texts, so that the error does not know their file."""
    files = [
        frame.f_locals['filename']
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_name in CONFIG_READERS and 'filename' in frame.f_locals
    ]
    return osp.normpath(files[-1]) if files else None


def check_config(path: str) -> None:
    """Refuse the path of a config that does not exist.

    Raises:
        UsageError: If it does not.
    """
    if not osp.isfile(path):
        raise UsageError(f'config "{path}" does not exist: give the path of a config file')


def check_checkpoint(path: str, wanted: str = 'a path') -> None:
    """Refuse the path of a checkpoint that does not exist.

    Args:
        path (str): Path of a local file.
        wanted (str): What to give instead. Defaults to 'a path'.

    Raises:
        UsageError: If it does not exist.
        OSError: If that can not be told, for want of permission or because of the disk.
    """
    place = osp.expanduser(path)
    try:
        os.stat(place)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f'checkpoint "{path}" does not exist: give {wanted}') from None
    except OSError as error:
        raise unreadable(path, error) from error
    if not osp.isfile(place):
        raise UsageError(f'checkpoint "{path}" is no file: give {wanted}')
