"""Reading what a command names: config files and the paths of checkpoints."""

import os
import os.path as osp
import traceback
from typing import Optional

from mmengine.config import Config

from rcl_mm.runtime.checkpoint import unreadable
from rcl_mm.runtime.errors import UsageError

# MMEngine's functions that read a config file, each base file in a call of its own.
CONFIG_READERS = ('_is_lazy_import', '_file2dict', '_parse_lazy_import')


def read_config(path: str) -> Config:
    """The config file that an argument names.

    Raises:
        UsageError: If it does not exist.
        SyntaxError: If it or one of its base files is no Python; names that file.
    """
    check_config(path)
    try:
        return Config.fromfile(path)
    except SyntaxError as error:
        if error.filename not in (None, '<unknown>'):
            raise
        file = _config_being_read(error) or path
        line = f', line {error.lineno}' if error.lineno else ''
        raise SyntaxError(f'config "{file}"{line} is no valid Python: {error.msg}') from error


def _config_being_read(error: SyntaxError) -> Optional[str]:
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
