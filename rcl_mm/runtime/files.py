"""Files that are either there as a whole or not at all."""

import errno
import os
import os.path as osp
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, List, Optional, Union

from mmengine.fileio import LocalBackend, register_backend

from rcl_mm.runtime.errors import writing

TEMPORARY_PREFIX = '.unfinished-'


def write_atomically(data: bytes, path: Union[str, Path]) -> None:
    """Write a file so that at every moment there is the old one, the new one, or none.

    The data go to a temporary name in the same folder, are synced to the disk, and the file is
    renamed. A process killed meanwhile leaves the file of before, and perhaps a temporary file
    (see :func:`remove_unfinished`).

    Args:
        data (bytes): The contents.
        path (str | Path): The file; its folder is made if missing.

    Raises:
        OSError: If the disk is full or the folder not writable; names the file and the size, and
            the file of before is untouched.
    """
    path = osp.abspath(path)
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
    before and nothing else.

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
    path = Path(path)
    unfinished = path.with_name(f'{TEMPORARY_PREFIX}{path.name}')
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield unfinished
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)


def remove_unfinished(folder: Union[str, Path]) -> List[str]:
    """Remove the temporary files that a killed process left in a folder; returns their names."""
    names = []
    if osp.isdir(folder):
        names = [name for name in os.listdir(folder) if name.startswith(TEMPORARY_PREFIX)]
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
