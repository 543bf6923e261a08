"""Files that are either there as a whole or not at all."""

import errno
import os
import os.path as osp
import stat
import sys
import tempfile
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, List, Optional, Union

from mmengine.fileio import LocalBackend, register_backend

from rcl_mm.runtime.errors import writing

TEMPORARY_PREFIX = '.unfinished-'
MOST_LINKS = 40


def write_atomically(data: bytes, path: Union[str, Path]) -> None:
    """Write a file so that at every moment there is the old one, the new one, or none.

    The data go to a temporary name in the same folder, are synced to the disk, and the file is
    renamed. A process killed meanwhile leaves the file of before, and perhaps a temporary file
    (see :func:`remove_unfinished`). What is no file (a device, a pipe) is written to, not replaced.

    Args:
        data (bytes): The contents.
        path (str | Path): The file; its folder is made if missing.

    Raises:
        OSError: If the disk is full or the folder not writable; names the file and the size, and
            the file of before is untouched.
    """
    if is_stream(path):
        _write_to_stream(data, path)
        return
    # A link stays, and the file that it names is replaced.
    path = osp.realpath(path)
    folder, name = osp.split(path)
    temporary = None
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=folder, prefix=TEMPORARY_PREFIX, suffix=f'-{name}', delete=False
        ) as file:
            temporary = file.name
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # Temporary files are private; give the mode that open() would have given.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        _sync_folder(folder)
    except BaseException as error:
        if temporary is not None and osp.exists(temporary):
            os.unlink(temporary)
        if isinstance(error, OSError):
            full = error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
            reason = 'no space left' if full else error.strerror
            raise OSError(
                error.errno,
                f'could not write {len(data):,} bytes ({reason}); what was saved before is whole: '
                'free some space or choose another --work-dir, and go on with --resume',
                path,
            ) from error
        raise


@contextmanager
def replacing(path: Union[str, Path]) -> Iterator[Path]:
    """A temporary name beside a file, which takes the file's place once the block has ended well.

    For what a library writes by itself, and for what is cheap to make again: unlike
    :func:`write_atomically` it does not wait for the disk. A block that fails leaves the file of
    before and nothing else. A symbolic link stays, and the file that it names is replaced; what is
    no file (``/dev/null``, ``/dev/stdout``, a pipe) is written to.

    Args:
        path (str | Path): The file; its folder is made if missing.

    Yields:
        Path: Where to write. It has the file's suffix.

    Raises:
        OSError: If it can not be written; names ``path``.

    Example:
        >>> with replacing('counts.json') as unfinished:
        ...     unfinished.write_text('[500, 5]')
    """
    with writing(path):
        if is_stream(path):
            with tempfile.TemporaryDirectory() as folder:
                unfinished = Path(folder, Path(path).name)
                yield unfinished
                _write_to_stream(unfinished.read_bytes(), path)
            return
        target = Path(osp.realpath(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        # A name of its own: another process may be writing the same file.
        unfinished = target.with_name(f'{TEMPORARY_PREFIX}{uuid.uuid4().hex[:8]}-{target.name}')
        try:
            yield unfinished
            os.replace(unfinished, target)
        finally:
            unfinished.unlink(missing_ok=True)


def is_stream(path: Union[str, Path]) -> bool:
    """Whether a path is there and is no file to be replaced: a device, a pipe or a socket.

    Descriptors (``/dev/stdout``, ``/dev/fd/3``) are streams, too, whatever they lead to.
    """
    if _descriptor(path) is not None:
        return True
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _descriptor(path: Union[str, Path]) -> Optional[int]:
    """The number of the descriptor of this process that a path stands for, or None."""
    path = osp.abspath(path)
    for _ in range(MOST_LINKS):
        folder, name = osp.split(path)
        # Without the last part, which would lead on to the file behind the descriptor.
        if osp.realpath(folder) == f'/proc/{os.getpid()}/fd' and name.isdigit():
            return int(name)
        if not osp.islink(path):
            break
        path = osp.join(osp.realpath(folder), os.readlink(path))
    return None


def _write_to_stream(data: bytes, path: Union[str, Path]) -> None:
    number = _descriptor(path)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    with open(path if number is None else os.dup(number), 'wb') as file:
        file.write(data)


def remove_unfinished(folder: Union[str, Path]) -> List[str]:
    """Remove the checkpoints that a killed run left unfinished in a folder; returns their names.

    For the run that holds the folder (:mod:`rcl_mm.runtime.run_lock`): nobody else writes
    checkpoints there. Other unfinished files may be those of a test that is at work.
    """
    names = []
    if osp.isdir(folder):
        names = [
            name
            for name in os.listdir(folder)
            if name.startswith(TEMPORARY_PREFIX) and name.endswith(('.pth', '-last_checkpoint'))
        ]
    for name in names:
        os.unlink(osp.join(folder, name))
    return names


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: str) -> None:
    """Sync a rename: it is a change of the folder, not of the file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@register_backend('atomic_local')
class AtomicLocalBackend(LocalBackend):
    """MMEngine's local files, written atomically, with removals that can wait.

    Example:
        >>> backend_args = dict(backend='atomic_local')
    """

    def __init__(self) -> None:
        self._waiting: Optional[List[str]] = None

    def put(self, obj: bytes, filepath: Union[str, Path]) -> None:
        """Write a file, see :func:`write_atomically`."""
        write_atomically(obj, filepath)

    def remove(self, filepath: Union[str, Path]) -> None:
        """Remove a file, at the end of :meth:`removals_at_the_end` if inside it."""
        if self._waiting is not None:
            self._waiting.append(str(filepath))
        else:
            super().remove(filepath)

    @contextmanager
    def removals_at_the_end(self) -> Iterator[None]:
        """Files removed in this context stay until it has ended well: first write, then remove."""
        self._waiting = []
        try:
            yield
            waiting, self._waiting = self._waiting, None
            for path in waiting:
                super().remove(path)
        finally:
            self._waiting = None
