"""Finding the checkpoint to go on from."""

import errno
import logging
import os
import os.path as osp
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from mmengine.logging import print_log

from rcl_mm.runtime.checkpoint import (
    CheckpointError,
    damage_text,
    file_damage,
    load_checkpoint_file,
    unreadable,
)

NOTE = 'last_checkpoint'


class Found(NamedTuple):
    """A training checkpoint; in the order of their training, then of their writing."""

    iteration: int
    epoch: int
    time: float
    path: str
    run: str


NOTHING = Found(0, 0, 0.0, '', '')


def resumable_checkpoints(folder: str, note: Optional[str] = None) -> Tuple[List[str], List[str]]:
    """Checkpoints of a folder that a run could go on from, newest first, and what is broken.

    First come those of the run that wrote last (a work dir may hold files of an earlier run, too);
    of a run, newest is what was trained longest (by the iteration in the file), whatever the files'
    names and times say. Checkpoints of the best validation result are left out: they have no
    optimizer.

    Args:
        folder (str): Folder with ``.pth`` files.
        note (str, optional): File that names the last one written. Defaults to
            ``last_checkpoint`` in the folder.

    Returns:
        tuple: Paths of those that can be used, and one message for each that is damaged.

    Raises:
        OSError: If a file, the note or the folder is there and can not be read: it may be the one
            to go on from.
    """
    found, broken = [], []
    for name in _names(folder):
        path = osp.join(folder, name)
        if not name.endswith('.pth') or name.startswith(('.', 'best_')):
            continue
        try:
            # Weights are mapped, not read: this is quick for files of any size.
            checkpoint = load_checkpoint_file(path, mmap=True)
        except CheckpointError as error:
            broken.append(str(error))
            continue
        place = _place_in_a_run(checkpoint)
        if place is not None:
            iteration, epoch, run = place
            found.append(Found(iteration, epoch, osp.getmtime(path), path, run))
    wrote_last = _run_that_wrote_last(note or osp.join(folder, NOTE), found)
    found.sort(key=lambda one: (one.run == wrote_last, *one), reverse=True)
    return [one.path for one in found], broken


def _place_in_a_run(checkpoint: Any) -> Optional[Tuple[int, int, str]]:
    """Iteration, epoch and run of a training checkpoint; None for any other file."""
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    if not isinstance(meta, dict):
        return None
    position = (meta.get('iter'), meta.get('epoch'))
    if not all(isinstance(number, int) for number in position):
        return None
    state = checkpoint.get('resume_state')
    return (*position, str(state.get('run', '')) if isinstance(state, dict) else '')


def _names(folder: str) -> List[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(folder, error) from error


def _noted(note: str) -> str:
    """The path in the file that names the last checkpoint; empty if there is no such file."""
    try:
        with open(note, encoding='utf-8', errors='replace') as file:
            return file.read().strip()
    except FileNotFoundError as error:
        if osp.islink(note):
            raise unreadable(note, error) from error
        return ''
    except OSError as error:
        raise unreadable(note, error) from error


def _run_that_wrote_last(note: str, found: Sequence[Found]) -> str:
    """Of the file that the note names; of the youngest one if the note is no help."""
    name = osp.basename(_noted(note))
    noted = [one.run for one in found if osp.basename(one.path) == name]
    return noted[0] if noted else max(found, key=lambda one: one.time, default=NOTHING).run


def newest_whole_checkpoint(folder: str, note: Optional[str] = None) -> Optional[str]:
    """The newest checkpoint of a folder that is complete by its checksums.

    Those that are cut short or corrupt are named in the log and passed over.

    Args:
        folder (str): Folder with checkpoints.
        note (str, optional): As in :func:`resumable_checkpoints`.

    Returns:
        str | None: Its path; None if there is none.

    Raises:
        OSError: If something of it can not be read, or the checkpoint that the note names is gone
            and there is no other: a disk may be missing.
    """
    note = note or osp.join(folder, NOTE)
    candidates, broken = resumable_checkpoints(folder, note)
    whole = None
    for path in candidates:
        damage = file_damage(path)
        if damage is None:
            whole = path
            break
        broken.append(damage_text(path, damage))
    for message in broken:
        print_log(f'passed over: {message}', 'current', logging.WARNING)
    noted = _noted(note)
    if not candidates and not broken and noted and not osp.lexists(noted):
        raise FileNotFoundError(
            errno.ENOENT,
            f'names {noted}, which is not there, and there is no other checkpoint: look for the '
            'disk it is on, or remove this file to begin anew',
            note,
        )
    return whole
