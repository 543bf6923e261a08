"""Finding the checkpoint to go on from."""

import logging
import os
import os.path as osp
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from mmengine.logging import print_log

from rcl_mm.runtime.checkpoint import CheckpointError, is_whole, load_checkpoint_file


class Found(NamedTuple):
    """A training checkpoint; in the order of their training, then of their writing."""

    iteration: int
    epoch: int
    time: float
    path: str
    run: str


NOTHING = Found(0, 0, 0.0, '', '')


def resumable_checkpoints(folder: str) -> Tuple[List[str], List[str]]:
    """Checkpoints of a folder that a run could go on from, newest first, and what is broken.

    First come those of the run that wrote last (a work dir may hold files of an earlier run, too);
    of a run, newest is what was trained longest (by the iteration in the file), whatever the files'
    names and times say. Checkpoints of the best validation result are left out: they have no
    optimizer.

    Args:
        folder (str): Folder with ``.pth`` files.

    Returns:
        tuple: Paths of those that can be opened, and one message for each that can't.
    """
    found, broken = [], []
    for name in sorted(os.listdir(folder)) if osp.isdir(folder) else ():
        path = osp.join(folder, name)
        if not name.endswith('.pth') or name.startswith(('.', 'best_')) or not osp.isfile(path):
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
    wrote_last = _run_that_wrote_last(folder, found)
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


def _run_that_wrote_last(folder: str, found: Sequence[Found]) -> str:
    """Of the file that ``last_checkpoint`` names; of the youngest one if the note is no help."""
    try:
        with open(osp.join(folder, 'last_checkpoint'), encoding='utf-8') as note:
            name = osp.basename(note.read().strip())
    except (OSError, UnicodeDecodeError):
        name = ''
    noted = [one.run for one in found if osp.basename(one.path) == name]
    return noted[0] if noted else max(found, key=lambda one: one.time, default=NOTHING).run


def newest_whole_checkpoint(folder: str) -> Optional[str]:
    """The newest checkpoint of a folder that is complete by its checksums.

    Those that are cut short or corrupt are named in the log and passed over.

    Args:
        folder (str): Folder with checkpoints.

    Returns:
        str | None: Its path; None if there is none.
    """
    candidates, broken = resumable_checkpoints(folder)
    whole = None
    for path in candidates:
        if is_whole(path):
            whole = path
            break
        broken.append(f'checkpoint "{path}" is corrupt: its checksums are wrong')
    for message in broken:
        print_log(f'passed over: {message}', 'current', logging.WARNING)
    return whole
