"""One training run at a time in a folder: two would remove each other's checkpoints."""

import errno
import fcntl
import json
import logging
import os
import os.path as osp
import socket
from datetime import datetime
from typing import Dict, TextIO, Tuple

from mmengine.logging import print_log

from rcl_mm.errors import InputError

LOCK_NAME = 'run.lock'
TAKEN = (errno.EACCES, errno.EAGAIN)
# What file systems without locks answer.
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)

# By process, because a forked one inherits the file and not the lock.
_held: Dict[Tuple[int, str], TextIO] = {}


class FolderTakenError(InputError):
    """Another run is training in the folder."""


def hold_folder(folder: str) -> None:
    """Keep other training runs out of a folder until this process ends or gives it back.

    The lock is the kernel's, on a file in the folder, and belongs to this process: it ends with it,
    however it ends, and workers that outlive it do not keep it. On a network file system it holds
    for other machines, too. The file stays; its contents only say who holds it.

    Args:
        folder (str): Made if missing.

    Raises:
        FolderTakenError: If another process holds it: which one, where and since when.
        OSError: If the file can not be written.
    """
    key = _key(folder)
    if key in _held:
        return
    path = key[1]
    os.makedirs(osp.dirname(path), exist_ok=True)
    file = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), 'r+', encoding='utf-8')
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = _read_holder(file)
        file.close()
        if error.errno in TAKEN:
            raise FolderTakenError(
                f'{folder} is taken: {holder} trains there; wait for it, stop it, or choose '
                'another --work-dir'
            ) from None
        if error.errno not in NO_LOCKS:
            raise
        print_log(
            f'{folder} is on a file system without locks: do not start a second run there',
            'current',
            logging.WARNING,
        )
        return
    me = dict(pid=os.getpid(), host=socket.gethostname(), since=_now())
    file.truncate(0)
    file.write(json.dumps(me))
    file.flush()
    _held[key] = file


def give_back_folder(folder: str) -> None:
    """Let other runs train in a folder again; nothing happens if it is not held."""
    file = _held.pop(_key(folder), None)
    if file is not None:
        file.truncate(0)
        file.close()


def _key(folder: str) -> Tuple[int, str]:
    return os.getpid(), osp.join(osp.realpath(folder), LOCK_NAME)


def _read_holder(file: TextIO) -> str:
    """Who holds the lock, in words; the holder may be about to write that down."""
    try:
        holder = json.loads(file.read())
        return f'process {holder["pid"]} on {holder["host"]}, since {holder["since"]},'
    except (ValueError, KeyError, TypeError):
        return 'another run'


def _now() -> str:
    return datetime.now().astimezone().isoformat(sep=' ', timespec='seconds')
