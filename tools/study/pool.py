"""Runs many trainings: several one after another in a process, several processes side by side."""

import time
from dataclasses import dataclass, field
from multiprocessing.connection import wait
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
        _Pool(todo, len(runs), settings, outcome, console or Console(stderr=True)).run()
    for run in runs:
        record = run.record(settings.work_dir)
        if record is not None:
            outcome.records.append(record)
        elif run.name not in outcome.failures:
            outcome.left.append(run.name)
    return outcome


class _Pool:
    """Keeps the workers busy until nothing is left or the time is up."""

    def __init__(
        self, todo: List[Run], total: int, settings: Settings, outcome: Outcome, console: Console
    ) -> None:
        self.todo, self.total, self.settings, self.outcome = todo[::-1], total, settings, outcome
        cores = available_cores()
        jobs = min(settings.jobs or min(cores, MAX_DEFAULT_JOBS), len(todo))
        self.jobs, self.threads = jobs, max(1, cores // jobs)
        self.workers: List[Worker] = []
        self.started_workers = 0
        self.durations: List[float] = []
        limit = settings.max_minutes
        self.deadline = None if limit is None else time.monotonic() + 60 * limit
        self.progress = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn('{task.fields[note]}'),
            console=console,
        )

    def run(self) -> None:
        finished = self.total - len(self.todo)
        self.progress.console.print(
            f'{self.total} runs, {finished} of them done before; {self.jobs} workers with '
            f'{self.threads} threads each'
        )
        task = self.progress.add_task('runs', total=self.total, completed=finished, note='')
        with self.progress:
            try:
                while self.todo or self.workers:
                    self._hire()
                    if not self.workers:
                        break
                    if self._time_is_up():
                        break
                    for worker in self._ready():
                        self._serve(worker)
                    done = self.total - len(self.todo) - len(self.workers)
                    self.progress.update(task, completed=done, note=self._note())
            finally:
                for worker in self.workers:
                    worker.process.terminate()
                for worker in self.workers:
                    worker.stop()

    def _hire(self) -> None:
        while len(self.workers) < self.jobs and self.todo and not self._too_late():
            worker = Worker(self.started_workers, self.threads, self.settings)
            self.started_workers += 1
            self.workers.append(worker)
            worker.give(self.todo.pop())

    def _ready(self) -> List[Worker]:
        handles = {}
        for worker in self.workers:
            handles[worker.connection] = handles[worker.process.sentinel] = worker
        timeout = 1.0 if self.deadline is None else min(1.0, self.deadline - time.monotonic())
        ready = wait(list(handles), timeout=max(0.0, timeout))
        return list(dict.fromkeys(handles[handle] for handle in ready))

    def _serve(self, worker: Worker) -> None:
        """Take a worker's answer and give it the next run, or replace it."""
        run = worker.run
        try:
            error = worker.connection.recv() if worker.connection.poll() else 'no answer'
        except (EOFError, ConnectionError):
            error = 'no answer'
        if error == 'no answer':
            worker.process.join(5)
            error = f'the worker process ended with exit code {worker.process.exitcode}'
            record_failure(run, self.settings.work_dir, RuntimeError(error))
        seconds = time.monotonic() - worker.started
        if error is None:
            self.durations.append(seconds)
            self.progress.console.print(f'done    {run.name}  {seconds:.0f} s')
        else:
            self.outcome.failures[run.name] = error
            self.progress.console.print(
                f'failed  {run.name}: {error}', markup=False, soft_wrap=True
            )
        # After an error the state of a process, and of its GPU, is not to be trusted.
        if error is None and self.todo and not self._too_late():
            worker.give(self.todo.pop())
        else:
            worker.stop()
            self.workers.remove(worker)

    def _time_is_up(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    def _too_late(self) -> bool:
        """Whether a run begun now would, going by those so far, not be done in time."""
        if self.deadline is None:
            return False
        expected = sorted(self.durations)[len(self.durations) // 2] if self.durations else 0.0
        return time.monotonic() + expected >= self.deadline

    def _note(self) -> str:
        names = [worker.run.name for worker in self.workers]
        return names[0] + (f' and {len(names) - 1} more' if len(names) > 1 else '') if names else ''
