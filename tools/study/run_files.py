"""The files in the folder of an experiment's run: result, failure, digest, checkpoints."""

import json
import os
import shutil
from pathlib import Path
from typing import Any, Dict, Optional

from rcl_mm.runtime.files import replacing

RESULT_NAME = 'result.json'
FAILURE_NAME = 'failure.json'
DIGEST_NAME = 'digest.txt'


def read_json(path: Path) -> Optional[Dict[str, Any]]:
    """A JSON file, or None if there is none or it was cut short."""
    try:
        return json.loads(path.read_text('utf-8'))
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def write_json(path: Path, document: Any) -> None:
    """Write JSON so that a reader finds the whole file or none."""
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(document, indent=1, allow_nan=False) + '\n', 'utf-8')


def remove_what_is_stale(folder: Path, digest: str) -> None:
    """Remove checkpoints and result of other settings: the run would go on from them."""
    note = folder / DIGEST_NAME
    result = read_json(folder / RESULT_NAME) or {}
    if digest != (note.read_text('utf-8') if note.is_file() else result.get('digest')):
        for path in (*folder.glob('*.pth'), folder / 'last_checkpoint', folder / RESULT_NAME):
            path.unlink(missing_ok=True)
        note.write_text(digest, 'utf-8')


def remove_checkpoints(folder: Path, keep_last: bool) -> None:
    """Remove the checkpoints of a finished run, or all but the last."""
    pointer = folder / 'last_checkpoint'
    last = pointer.read_text('utf-8').strip() if keep_last and pointer.is_file() else ''
    for path in folder.glob('*.pth'):
        if path.name != os.path.basename(last):
            path.unlink()
    if not keep_last:
        pointer.unlink(missing_ok=True)
        shutil.rmtree(folder / 'vis_data', ignore_errors=True)
