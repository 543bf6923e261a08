"""What a run left in its work dir: results of its test, training curves, config, commands."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from rcl_mm.evaluation.results import JSON_NAME, Results, ResultsError, read_results
from rcl_mm.report.fonts import printable
from rcl_mm.runtime.literal_config import read_literal_config
from rcl_mm.runtime.provenance import RUN_NAME

Curve = Tuple[np.ndarray, np.ndarray]

# They differ between runs of one method, or say nothing about it.
NOT_THE_METHOD = ('work_dir', 'randomness', 'load_from', 'resume', 'launcher', 'experiment_name')


@dataclass
class Run:
    """One work dir.

    Attributes:
        work_dir (Path): The folder.
        results (Results, optional): Results of its test.
        training (dict[str, Curve]): Logged training values by name: iterations and values.
        validation (dict[str, Curve]): Validation metrics by name: epochs (iterations in
            iteration-based training) and values.
        config (dict): The training config; empty if there is none.
        command (dict): What :func:`provenance` said of the training; empty if unknown.
        notes (list[str]): Sentences for the reader: unfinished, not tested, ...
    """

    work_dir: Path
    results: Optional[Results] = None
    training: Dict[str, Curve] = field(default_factory=dict)
    validation: Dict[str, Curve] = field(default_factory=dict)
    config: Dict[str, Any] = field(default_factory=dict)
    command: Dict[str, Any] = field(default_factory=dict)
    notes: List[str] = field(default_factory=list)

    @property
    def seed(self) -> Optional[int]:
        return (self.config.get('randomness') or {}).get('seed')

    @property
    def method_config(self) -> Dict[str, Any]:
        """The config without what differs between seeds of one method."""
        return {key: value for key, value in self.config.items() if key not in NOT_THE_METHOD}


def read_run(work_dir: Path) -> Run:
    """Read a work dir.

    Raises:
        ResultsError: If it does not exist, holds no run, or its results are damaged.
    """
    if not work_dir.is_dir():
        raise ResultsError(f'work dir "{work_dir}" does not exist: give the folder of a run')
    run = Run(work_dir)
    logs = sorted(work_dir.glob('*/vis_data/scalars.json'))
    run.training, run.validation, trained = read_curves(logs)
    if (work_dir / JSON_NAME).is_file():
        run.results = read_results(work_dir)
        run.results.classes = [printable(name) for name in run.results.classes]
    elif not trained:
        raise ResultsError(
            f'"{work_dir}" has neither results nor a training log: train there with '
            f'tools/train.py, then run tools/test.py CONFIG CHECKPOINT --work-dir {work_dir}'
        )
    else:
        run.notes.append(
            f'{work_dir} was not tested: run tools/test.py CONFIG CHECKPOINT --work-dir {work_dir} '
            'to see more than its training curves.'
        )
    folder = trained[-1].parent if trained else next(iter(p.parent for p in reversed(logs)), None)
    if folder is not None:
        run.config = _read_config(folder / 'config.py', run.notes)
        run.command = _read_command(folder.parent / RUN_NAME)
    if trained:
        run.notes.extend(_progress_notes(run))
    return run


def read_curves(logs: List[Path]) -> Tuple[Dict[str, Curve], Dict[str, Curve], List[Path]]:
    """Curves from MMEngine's ``scalars.json`` files, oldest first.

    A resumed run logs into a new file: what an older file says about the same steps is replaced.

    Args:
        logs (list[Path]): ``TIMESTAMP/vis_data/scalars.json`` files in order of time.

    Returns:
        tuple: Training curves, validation curves, and the files that hold any training.
    """
    training: List[dict] = []
    validation: List[dict] = []
    trained = []
    for path in logs:
        train_records, val_records = [], []
        for line in path.read_text('utf-8', errors='replace').splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue  # the last line of a run that was killed while writing
            if isinstance(record, dict) and 'step' in record:
                (train_records if 'lr' in record else val_records).append(record)
        if not train_records:
            continue  # a test
        trained.append(path)
        training = _before(training, train_records) + train_records
        validation = _before(validation, val_records) + val_records
    return _columns(training), _columns(validation), trained


def _before(old: List[dict], new: List[dict]) -> List[dict]:
    first = new[0]['step'] if new else np.inf
    return [record for record in old if record['step'] < first]


def _columns(records: List[dict]) -> Dict[str, Curve]:
    """Curves by name, NaN and values that are no numbers left out."""
    names = dict.fromkeys(name for record in records for name in record)
    curves = {}
    for name in names:
        pairs = [(r['step'], r[name]) for r in records if isinstance(r.get(name), (int, float))]
        steps, values = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
        known = np.isfinite(values)
        if known.any():
            curves[name] = (steps[known], values[known])
    return curves


def _read_config(path: Path, notes: List[str]) -> Dict[str, Any]:
    """The dumped config as plain values; it is read, not executed."""
    if not path.is_file():
        return {}
    try:
        return read_literal_config(path.read_text('utf-8')).to_dict()
    except ValueError as error:
        notes.append(f'{path} is left out of the config comparison: {error}.')
        return {}


def _read_command(path: Path) -> Dict[str, Any]:
    try:
        return json.loads(path.read_text('utf-8'))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def _progress_notes(run: Run) -> List[str]:
    """Whether the training reached its end, and whether its last checkpoint was tested."""
    loop = run.config.get('train_cfg') or {}
    unit = 'epoch' if loop.get('max_epochs') else 'iter'
    length = loop.get('max_epochs') or loop.get('max_iters')
    pointer = run.work_dir / 'last_checkpoint'
    last = pointer.read_text('utf-8').strip() if pointer.is_file() else ''
    match = re.search(r'_(\d+)\.pth$', last)
    reached = int(match.group(1)) if match else 0
    notes = []
    if length and reached < length:
        if match:
            done = f'its last checkpoint is at {unit} {reached} of {length}'
        else:  # none, or one that was saved when the run was stopped
            logged = int(run.training.get(unit, (None, [0]))[1][-1])
            done = f'it stopped in {unit} {logged} of {length}'
        notes.append(f'{run.work_dir} is unfinished: {done}; tools/train.py --resume goes on.')
    tested = (run.results.run if run.results else {}).get('checkpoint')
    if tested and last and Path(tested).name != Path(last).name:
        notes.append(
            f'{run.work_dir} shows the results of {Path(tested).name}; its last checkpoint is '
            f'{Path(last).name}.'
        )
    return notes
