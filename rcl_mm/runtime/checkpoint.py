"""Safe loading of MMEngine checkpoints on today's torch.

Everything in a checkpoint that is not on the allow-list of :mod:`rcl_mm.runtime.safe_globals` is
refused with its name, and no checkpoint can make the program run code of the checkpoint's choice.
"""

import errno
import logging
import os
import pickle
import re
import stat
import textwrap
from pathlib import Path
from typing import Any, Callable, Optional, Union

import torch
from mmengine.dist import barrier, get_rank
from mmengine.logging import print_log
from mmengine.runner.checkpoint import CheckpointLoader

from rcl_mm.errors import InputError
from rcl_mm.runtime.safe_globals import SAFE_GLOBALS
from rcl_mm.runtime.zip_check import WRONG_CHECKSUMS, looks_like_zip, zip_damage


class CheckpointError(InputError):
    """A checkpoint that is cut short, corrupt, or asks for something it must not have."""


def load_checkpoint_file(
    path: Union[str, Path],
    map_location: Union[str, torch.device, Callable, None] = 'cpu',
    mmap: bool = False,
) -> dict:
    """Load a local checkpoint without ever running code from it.

    Args:
        path (str | Path): The checkpoint.
        map_location: As in ``torch.load``. Defaults to 'cpu'.
        mmap (bool): Map the weights instead of reading them, and do not check their checksums:
            quick where only the rest is looked at. Defaults to False.

    Returns:
        dict: The checkpoint.

    Raises:
        FileNotFoundError: If there is no such file.
        OSError: If it is there and can not be read, now.
        CheckpointError: If the file is cut short or corrupt, or asks for a function or class that
            is not on the allow-list (named in the message).
    """
    path = Path(path).expanduser()
    damage = file_damage(path, weights=not mmap)
    if damage is not None:
        raise CheckpointError(damage_text(path, damage))
    try:
        checkpoint = torch.load(path, map_location=map_location, weights_only=True, mmap=mmap)
    except OSError as error:
        raise unreadable(path, error) from error
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
    first_line = textwrap.shorten((text.strip().splitlines() or [''])[0], 120, placeholder=' ...')
    return (
        f'checkpoint "{source}" is cut short or corrupt ({type(error).__name__}: '
        f'{first_line}): use another one'
    )


def file_damage(path: Union[str, Path], weights: bool = True) -> Optional[str]:
    """What is wrong with the file of a checkpoint, or None if nothing is.

    Builds no object from it. Files of torch before 1.6 and other formats have no checksums.

    Args:
        path (str | Path): The file.
        weights (bool): Whether to read the weights, too. Defaults to True.

    Raises:
        FileNotFoundError: If there is no such file.
        OSError: If it is there and can not be read.
    """
    try:
        if stat.S_ISFIFO(os.stat(path).st_mode):
            # Opening it would wait for ever.
            raise OSError(errno.EINVAL, 'a pipe, no file')
        return zip_damage(path, weights) if looks_like_zip(path) else None
    except FileNotFoundError as error:
        if os.path.islink(path):
            raise unreadable(path, error) from error
        raise FileNotFoundError(
            f'{path} can not be found: give the path of a checkpoint (.pth)'
        ) from None
    except OSError as error:
        raise unreadable(path, error) from error


def damage_text(path: Union[str, Path], damage: str) -> str:
    """The line for a file with such a damage."""
    if damage == WRONG_CHECKSUMS:
        return f'checkpoint "{path}" is corrupt: {damage}: use another one'
    return f'checkpoint "{path}" is cut short or corrupt ({damage}): use another one'


def unreadable(path: Union[str, Path], error: OSError) -> OSError:
    """The error for a file that is there and can not be read, which says so with its path."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    hint = f'can not be read ({reason}); nothing is changed: look at the disk and try again'
    return type(error)(error.errno or errno.EIO, hint, str(path))


def is_whole(path: Union[str, Path]) -> bool:
    """Whether a checkpoint file is complete and uncorrupted, by all that the file says of itself.

    Reads the whole file but builds no object from it.

    Raises:
        OSError: If it can not be read.
    """
    return looks_like_zip(path) and file_damage(path) is None


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
