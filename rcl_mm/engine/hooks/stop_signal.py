"""Stopping a run on a signal: with a checkpoint, a line in the log and an exit code of its own."""

import atexit
import os
import signal
import sys
import threading
from functools import partial
from multiprocessing.sharedctypes import RawValue
from typing import Any, Callable, Optional

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from rcl_mm.engine.hooks.checkpoint import AtomicCheckpointHook
from rcl_mm.engine.hooks.resume import ends_an_optimizer_step
from rcl_mm.errors import InputError
from rcl_mm.runtime.lost_workers import say_unless_left

# 128 + 15, as a shell reports a process that SIGTERM ended: not finished, can be resumed.
EXIT_STOPPED = 143


class TrainingStopped(SystemExit):
    """Training ended early on request, with everything saved: the process exits with 143."""

    def __init__(self, message: str) -> None:
        super().__init__(EXIT_STOPPED)
        self.message = message


@HOOKS.register_module()
class StopSignalHook(Hook):
    """On SIGTERM, as Slurm and other schedulers send it, save a checkpoint and exit with 143.

    The iteration in progress is finished first, and with gradient accumulation the step it belongs
    to. A validation in progress is finished, too. Over several processes they agree when to stop,
    every ``interval`` iterations; one of them being told is enough.

    Workers of data loaders outlive the signal: a scheduler sends it to all processes of a job, and
    training must be able to finish the iteration. They end with the main process.

    Args:
        interval (int): Iterations between two agreements of several processes. Defaults to 10.
    """

    # After all others, so that what they do in this iteration is saved.
    priority = 'LOWEST'

    def __init__(self, interval: int = 10) -> None:
        if interval < 1:
            raise InputError(f'interval is {interval}, allowed is 1 or more')
        self.interval = interval
        self.requested = False
        self._previous: Optional[Any] = None
        # Shared with the workers, which python ends by SIGTERM, too, when the main process exits.
        self._exiting = RawValue('b', 0)

    def before_train(self, runner: Runner) -> None:
        """Begin to listen."""
        for loop in (runner._train_loop, runner._val_loop):
            loader = getattr(loop, 'dataloader', None)
            if loader is not None and loader.num_workers:
                loader.worker_init_fn = partial(
                    outlive_stop_signal, loader.worker_init_fn, self._exiting
                )
        # The last registered runs first: before python ends the workers.
        atexit.register(setattr, self._exiting, 'value', 1)
        # Python allows signal handlers in the main thread only.
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGTERM, self._listen)

    def _listen(self, signal_number: int, frame: Any) -> None:
        self.requested = True

    def after_train(self, runner: Runner) -> None:
        """Training is over: SIGTERM ends the process again."""
        if self._previous is not None:
            signal.signal(signal.SIGTERM, self._previous)
            self._previous = None

    def before_train_epoch(self, runner: Runner) -> None:
        """Stop between two epochs, after a validation."""
        if runner.iter and ends_an_optimizer_step(runner) and self._is_requested(runner):
            self._stop(runner, runner.epoch, runner.iter)

    def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Stop after an iteration that ends an optimizer step."""
        iteration = runner.iter + 1
        if runner.world_size > 1 and iteration % self.interval:
            return
        if not ends_an_optimizer_step(runner):
            return
        if self._is_requested(runner):
            self._stop(runner, runner.epoch, iteration)

    def _is_requested(self, runner: Runner) -> bool:
        if runner.world_size == 1:
            return self.requested
        flag = torch.tensor(int(self.requested))
        all_reduce(flag, 'max')
        return bool(flag)

    def _stop(self, runner: Runner, epoch: int, iteration: int) -> None:
        hook = next((one for one in runner.hooks if isinstance(one, AtomicCheckpointHook)), None)
        saved = 'nothing was saved: there is no AtomicCheckpointHook'
        if hook is not None:
            saved = f'saved {hook.save_interrupted(runner, epoch, iteration)}'
        message = f'stopped by SIGTERM after iteration {iteration}: {saved}; go on with --resume'
        runner.logger.warning(message)
        self.after_train(runner)
        raise TrainingStopped(message)


def outlive_stop_signal(
    init_fn: Optional[Callable[[int], None]], exiting: Any, worker_id: int
) -> None:
    """Initialise a worker process of a data loader so that a scheduler's SIGTERM does not end it.

    torch sets a handler in each worker just before this is called, by which a worker dies of the
    signal, and with it the iteration in progress. If the main process leaves in the middle of a
    hand-over, the worker does not report it as an error.

    Args:
        init_fn (callable, optional): What the loader would have called.
        exiting: Shared value that is not 0 once the main process exits.
        worker_id (int): Number of the worker.
    """

    def end_if_exiting(signal_number: int, frame: Any) -> None:
        if exiting.value:
            os._exit(0)

    signal.signal(signal.SIGTERM, end_if_exiting)
    sys.excepthook = say_unless_left
    if init_fn is not None:
        init_fn(worker_id)
