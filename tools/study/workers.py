"""Worker processes: what each finds in its environment, and what it does with a run."""

import gc
import multiprocessing
import os
import sys
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Optional

import torch

from rcl_mm.runtime.errors import UsageError, one_line
from study.run import Run, execute_run, record_failure

DEVICES = ('auto', 'cpu', 'cuda')
# glibc gives large blocks back to the kernel when they are freed, and a training step on the
# processor spends much of its time on the page faults of taking them anew (docs/performance.md).
KEEP_FREED_MEMORY = {
    'MALLOC_MMAP_THRESHOLD_': str(2**32),
    'MALLOC_TRIM_THRESHOLD_': str(2**33),
}


@dataclass
class Settings:
    """How to run an experiment.

    Attributes:
        work_dir (Path): Folder for the runs' folders and the workers' logs.
        jobs (int, optional): Worker processes. Defaults to one for each processor core, 16 at most.
        device (str): 'auto', 'cpu' or 'cuda'.
        max_minutes (float, optional): Stop then; what is unfinished goes on the next time.
        checkpoints (str): 'last' or 'none', what a finished run keeps.
        commit (str, optional): Commit of the code. Defaults to what git says.
    """

    work_dir: Path
    jobs: Optional[int] = None
    device: str = 'auto'
    max_minutes: Optional[float] = None
    checkpoints: str = 'last'
    commit: Optional[str] = None

    def check(self) -> None:
        """Raise a UsageError for settings that can not work."""
        if self.device not in DEVICES:
            raise UsageError(f'device is {self.device!r}, allowed are {", ".join(DEVICES)}')
        if self.device == 'cuda' and not torch.cuda.is_available():
            raise UsageError('device is "cuda" but torch sees no CUDA device: use --device cpu')
        if self.jobs is not None and self.jobs < 1:
            raise UsageError(f'jobs is {self.jobs}, allowed is 1 or more')
        if self.max_minutes is not None and self.max_minutes <= 0:
            raise UsageError(f'max-minutes is {self.max_minutes}, allowed is more than 0')


class Worker:
    """A process that executes one run after the other.

    An executor of a single process: when one process of a larger pool dies, the executor ends all
    of them and does not say which it was; so it is the failure of this worker's run alone.

    Attributes:
        run (Run): What it does.
        started (float): When it began, on the monotonic clock.
        future (Future): Its error in one line, None without one; BrokenProcessPool if it dies.
        process (Process): The process.
    """

    def __init__(self, number: int, threads: int, settings: Settings, run: Run) -> None:
        self.settings = settings
        log = settings.work_dir / 'logs' / f'worker{number}.log'
        log.parent.mkdir(parents=True, exist_ok=True)
        # 'spawn': a fork of a process that has used CUDA or threads is not safe.
        self.executor = ProcessPoolExecutor(
            1, multiprocessing.get_context('spawn'), _begin, (str(log), threads)
        )
        before = multiprocessing.active_children()
        # The first task starts the process, which takes its environment from this one.
        with _environment(number, settings.device, threads):
            self.give(run)
        (self.process,) = (p for p in multiprocessing.active_children() if p not in before)

    def give(self, run: Run) -> None:
        """Hand it the next run."""
        self.run, self.started = run, time.monotonic()
        self.future: Future = self.executor.submit(_work, run, self.settings)

    def stop(self) -> None:
        """End the process, whatever it does: an executor would wait for the end of its run."""
        self.process.terminate()
        self.process.join(10)
        self.process.kill()
        self.executor.shutdown()


def _begin(log: str, threads: int) -> None:
    """What a worker process does first."""
    # Everything that libraries print goes to the worker's log; the terminal shows the progress.
    with open(log, 'a', encoding='utf-8') as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    # What has been imported stays: the collections between runs need not look at it.
    gc.freeze()


def _end_with_parent() -> None:
    """A parent that is killed can not end its workers: they see to it themselves."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _work(run: Run, settings: Settings) -> Optional[str]:
    """Execute a run; None, or its error in one line."""
    try:
        execute_run(run, settings.work_dir, settings.checkpoints, settings.commit)
        return None
    except Exception as error:
        record_failure(run, settings.work_dir, error)
        return f'{type(error).__name__}: {one_line(error)}'


@contextmanager
def _environment(number: int, device: str, threads: int) -> Iterator[None]:
    """Environment variables that a worker must find when it starts."""
    before = dict(os.environ)
    os.environ.update({'OMP_NUM_THREADS': str(threads), 'MKL_NUM_THREADS': str(threads)})
    # What the user has set himself stays.
    os.environ.update({k: v for k, v in KEEP_FREED_MEMORY.items() if k not in before})
    if device == 'cpu':
        os.environ['CUDA_VISIBLE_DEVICES'] = ''
    elif torch.cuda.is_available():
        os.environ['CUDA_VISIBLE_DEVICES'] = _gpu_of(number)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _gpu_of(number: int) -> str:
    """GPUs in turn, among those that this process may use."""
    visible = os.environ.get('CUDA_VISIBLE_DEVICES')
    names = visible.split(',') if visible else [str(i) for i in range(torch.cuda.device_count())]
    return names[number % len(names)].strip()


def available_cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
