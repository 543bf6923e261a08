"""Runs many trainings: several one after another in a process, several processes side by side."""

import statistics
import time
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rcl_mm.runtime.errors import UsageError
from study.run import Run, code_commit, record_failure
from study.workers import Settings, Worker, available_cores

__all__ = ['Outcome', 'Run', 'Settings', 'run_experiment']

MAX_DEFAULT_JOBS = 16


@dataclass
class Outcome:
    """What became of a list of runs.

    Attributes:
        records (list[dict]): Results, in the order of the runs, of those that have one.
        failures (dict[str, str]): Error by name of the run.
        left (list[str]): Names of the runs that the time did not suffice for.
    """

    records: List[Dict[str, Any]] = field(default_factory=list)
    failures: Dict[str, str] = field(default_factory=dict)
    left: List[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every run has a result."""
        return not self.failures and not self.left


def run_experiment(
    runs: Sequence[Run], settings: Settings, console: Optional[Console] = None
) -> Outcome:
    """Execute the runs that have no result yet.

    A run that fails is written down with its error and the others go on; so they do when a worker
    process dies. What is running when the time is up goes on from its last checkpoint, if it has
    one, the next time.

    Args:
        runs (Sequence[Run]): What to do, in this order.
        settings (Settings): How.
        console (Console, optional): Where progress goes. Defaults to standard error.

    Raises:
        UsageError: If the settings can not work, a config does not exist, or two runs share a
            name.
    """
    settings.check()
    names = [run.name for run in runs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f'{len(twice)} names are given to more than one run, such as "{twice[0]}"')
    for run in runs:
        run.require_config()
    settings.work_dir.mkdir(parents=True, exist_ok=True)
    settings.commit = settings.commit or code_commit()
    todo = [run for run in runs if run.record(settings.work_dir) is None]
    outcome = Outcome()
    if todo:
        outcome.failures = _execute(todo, len(runs), settings, console or Console(stderr=True))
    for run in runs:
        record = run.record(settings.work_dir)
        if record is not None:
            outcome.records.append(record)
        elif run.name not in outcome.failures:
            outcome.left.append(run.name)
    return outcome


def _execute(
    todo: Sequence[Run], total: int, settings: Settings, console: Console
) -> Dict[str, str]:
    """Keep workers busy until nothing is left or the time is up; returns errors by run."""
    waiting, finished = list(todo)[::-1], total - len(todo)
    cores = available_cores()
    jobs = min(settings.jobs or min(cores, MAX_DEFAULT_JOBS), len(todo))
    threads = max(1, cores // jobs)
    end = time.monotonic() + 60 * (settings.max_minutes or float('inf'))
    workers: List[Worker] = []
    failures: Dict[str, str] = {}
    durations: List[float] = []
    progress = Progress(
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn('{task.fields[note]}'),
        console=console,
    )
    console.print(
        f'{total} runs, {finished} of them done before; {jobs} workers with {threads} threads each'
    )
    task = progress.add_task('runs', total=total, completed=finished, note='')

    def another() -> bool:
        """Whether there is a run that, going by those so far, would be done in time."""
        expected = statistics.median(durations or [0.0])
        return bool(waiting) and time.monotonic() + expected < end

    number = 0
    with progress:
        try:
            while True:
                while len(workers) < jobs and another():
                    workers.append(Worker(number, threads, settings, waiting.pop()))
                    number += 1
                left = end - time.monotonic()
                if not workers or left <= 0:
                    return failures
                note = workers[0].run.name
                note += f' and {len(workers) - 1} more' if len(workers) > 1 else ''
                progress.update(task, completed=total - len(waiting) - len(workers), note=note)
                # Ever again, for Ctrl-C to be heard and the time to be shown.
                wait([w.future for w in workers], min(1.0, left), FIRST_COMPLETED)
                for worker in [worker for worker in workers if worker.future.done()]:
                    error = _error_of(worker)
                    seconds = time.monotonic() - worker.started
                    if error is None:
                        durations.append(seconds)
                        console.print(f'done    {worker.run.name}  {seconds:.0f} s')
                    else:
                        failures[worker.run.name] = error
                        text = f'failed  {worker.run.name}: {error}'
                        console.print(text, markup=False, soft_wrap=True)
                    # After an error the state of a process, and of its GPU, is not to be trusted.
                    if error is None and another():
                        worker.give(waiting.pop())
                    else:
                        worker.stop()
                        workers.remove(worker)
        finally:
            for worker in workers:
                worker.stop()
            progress.update(task, completed=total - len(waiting) - len(workers), note='')


def _error_of(worker: Worker) -> Optional[str]:
    """The error of a worker whose run has ended; None if there is none."""
    try:
        return worker.future.result()
    except BrokenProcessPool:
        worker.process.join(10)
        error = f'the worker process ended with exit code {worker.process.exitcode}'
        record_failure(worker.run, worker.settings.work_dir, RuntimeError(error))
        return error
