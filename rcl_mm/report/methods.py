"""Runs put together by method: seeds of one method, and methods to be compared."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

import numpy as np

from rcl_mm.evaluation.long_tail_metric import LongTailMetric
from rcl_mm.evaluation.results import Results, ResultsError
from rcl_mm.report.fonts import printable
from rcl_mm.report.work_dir import Run, read_run

SEED_NAME = re.compile(r'[-_./]?(seed|run|s)?[-_]?\d+$')


@dataclass
class Method:
    """Runs with one config and different seeds.

    Attributes:
        name (str): What figures and tables call it.
        runs (list[Run]): Its runs, at least one.
    """

    name: str
    runs: List[Run]

    @property
    def results(self) -> List[Results]:
        """Results of the runs that were tested."""
        return [run.results for run in self.runs if run.results is not None]

    def metrics(self) -> Dict[str, np.ndarray]:
        """LongTailMetric's figures from the recorded predictions, one value per tested run."""
        per_run = []
        for results in self.results:
            confidence = results.confidence
            known = len(confidence) and ((confidence >= 0) & (confidence <= 1 + 1e-6)).all()
            per_run.append(
                LongTailMetric.calculate(
                    results.predicted,
                    results.target,
                    results.train_counts,
                    num_classes=results.num_classes,
                    confidence=confidence if known else None,
                    many=results.many,
                    few=results.few,
                )
            )
        names = dict.fromkeys(name for one in per_run for name in one)
        return {name: np.array([one.get(name, np.nan) for one in per_run]) for name in names}


def load_methods(specs: Sequence[str]) -> Tuple[List[Method], List[str]]:
    """Read work dirs and group the seeds of each method.

    Work dirs with the same ``NAME=`` are seeds of one method; without a name, those whose training
    configs differ in nothing but the seed are.

    Args:
        specs (Sequence[str]): ``WORK_DIR`` or ``NAME=WORK_DIR``.

    Returns:
        tuple[list[Method], list[str]]: The methods in the order given, and sentences about them.

    Raises:
        ResultsError: If a run can not be read, or they were tested on different data.
    """
    groups: Dict[str, List[Tuple[str, Run]]] = {}
    for spec in specs:
        name, path = _split(spec)
        run = read_run(path)
        known = json.dumps(run.method_config, sort_keys=True, default=str)
        key = f'={name}' if name else (known if run.config else str(path.resolve()))
        groups.setdefault(key, []).append((name, run))
    methods = [
        Method(printable(members[0][0] or _common_name([run.work_dir for _, run in members])), runs)
        for members in groups.values()
        for runs in [[run for _, run in members]]
    ]
    _make_unique(methods)
    notes = [note for method in methods for run in method.runs for note in run.notes]
    return methods, notes + _check_comparable(methods)


def _split(spec: str) -> Tuple[str, Path]:
    name, separator, path = spec.partition('=')
    if separator and name and not os.path.exists(spec):  # also for a name too long for a path
        return name, Path(path)
    return '', Path(spec)


def _common_name(work_dirs: List[Path]) -> str:
    """A name for seeds of one method: their folder's name without the seed."""
    first = work_dirs[0].resolve()
    if len(work_dirs) == 1:
        return first.name
    without_seed = SEED_NAME.sub('', first.name)
    return without_seed or first.parent.name


def _make_unique(methods: List[Method]) -> None:
    names = [method.name for method in methods]
    for method in methods:
        if names.count(method.name) > 1:
            method.name = printable(str(method.runs[0].work_dir))


def _check_comparable(methods: List[Method]) -> List[str]:
    """Refuse results of different test sets; tell of different training sets.

    Raises:
        ResultsError: If two runs were not tested on the same images.
    """
    tested = [run for method in methods for run in method.runs if run.results is not None]
    notes = []
    for run in tested[1:]:
        first, other = tested[0], run
        if first.results.fingerprint != other.results.fingerprint:
            raise ResultsError(
                f'{_describe(first)} and {_describe(other)} were tested on different data: only '
                'results of one test set can be compared'
            )
    first = tested[0].results if tested else None
    for run in tested[1:]:
        if not _same_counts(first, run.results):
            notes.append(
                f'{run.work_dir} was trained on other class counts than {tested[0].work_dir}: its '
                'many, medium and few groups are other classes.'
            )
    if tested and first.train_counts is None:
        notes.append(
            f'The class counts of the training set of {tested[0].work_dir} are not known, so '
            'nothing is shown by group or frequency.'
        )
    return notes


def _same_counts(first: Results, other: Results) -> bool:
    if first.train_counts is None or other.train_counts is None:
        return first.train_counts is other.train_counts
    return bool(
        np.array_equal(first.train_counts, other.train_counts)
        and (first.many, first.few) == (other.many, other.few)
    )


def _describe(run: Run) -> str:
    results = run.results
    return f'{run.work_dir} ({len(results.target)} images of {results.num_classes} classes)'
