"""Training loops that can begin in the middle of an epoch."""

from typing import Any, Dict, Iterator, List, Optional, Tuple, Union

from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from mmengine.runner.base_loop import BaseLoop
from mmengine.runner.loops import _InfiniteDataloaderIterator
from mmengine.runner.utils import calc_dynamic_intervals
from torch.utils.data import DataLoader

from rcl_mm.engine.random_states import get_random_states, set_random_states
from rcl_mm.engine.views_ahead import with_views_ahead
from rcl_mm.errors import InputError


def index_sampler(loader: DataLoader) -> Any:
    """The sampler of single indices behind a data loader."""
    return getattr(loader.batch_sampler, 'sampler', None) or loader.sampler


def skip_batches(loader: DataLoader, batches: int) -> int:
    """Let the next pass over a data loader begin some batches in, if its sampler can skip.

    Args:
        loader (DataLoader): A loader whose sampler has ``skip``, as :class:`ReproducibleSampler`.
        batches (int): Batches of this rank to leave out.

    Returns:
        int: How many batches are still to be read and thrown away: none, or all of them.
    """
    sampler = index_sampler(loader)
    if batches == 0 or not hasattr(sampler, 'skip'):
        return batches
    samples = batches * loader.batch_sampler.batch_size
    if not getattr(sampler, 'infinite', False):
        # The last batch of an epoch may be a smaller one.
        samples = min(samples, len(sampler))
    sampler.skip(samples)
    return 0


def read_and_drop(batches: Iterator, number: int) -> None:
    """Read batches for nothing, without moving the random states that the training uses."""
    states = get_random_states() if number else None
    for _ in range(number):
        next(batches)
    if states is not None:
        set_random_states(states)


class ResumableLoop:
    """What a resumed loop knows beyond its epoch and iteration; set by ``ResumeStateHook``."""

    # Batches of the current epoch that were trained before the checkpoint was saved.
    first_batch = 0
    # Whether the checkpoint was saved after the validation of its epoch or iteration.
    validated = True

    def _validate(self) -> None:
        """Validate if it is due now."""
        self._decide_current_val_interval()
        if self.runner.val_loop is not None and self._validation_is_due():
            self.runner.val_loop.run()

    def _make_up_validation(self) -> None:
        """Validate at the start if the run was killed between a checkpoint and its validation."""
        if not self.validated:
            self.validated = True
            self._validate()


@LOOPS.register_module()
class ResumableEpochBasedTrainLoop(ResumableLoop, EpochBasedTrainLoop):
    """MMEngine's ``EpochBasedTrainLoop`` that can resume inside an epoch.

    MMEngine begins a resumed epoch with its first batch, whatever was trained of it before. This
    loop goes on with the next batch under its own number; the sampler skips the others without
    reading an image (samplers without ``skip``: they are read and thrown away).
    """

    def run(self) -> Any:
        """Launch training."""
        self.runner.call_hook('before_train')
        self._make_up_validation()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._validate()
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_epoch(self) -> None:
        """Iterate one epoch, from ``first_batch`` on."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        first, self.first_batch = self.first_batch, 0
        unread = skip_batches(self.dataloader, first)
        batches = iter(self.dataloader)
        read_and_drop(batches, unread)
        batches = with_views_ahead(batches, self.dataloader, self.runner.model)
        for idx, data_batch in enumerate(batches, start=first):
            self.run_iter(idx, data_batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _validation_is_due(self) -> bool:
        return self._epoch >= self.val_begin and (
            self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs
        )


class _Batches(_InfiniteDataloaderIterator):
    """MMEngine's endless iterator over a data loader, begun anywhere."""

    def __init__(self, loader: DataLoader, iteration: int) -> None:
        sampler = index_sampler(loader)
        self._dataloader = loader
        # Samplers that end are begun anew, with the next epoch's order.
        ends = not getattr(sampler, 'infinite', False) and type(sampler).__name__ != (
            'InfiniteSampler'
        )
        self._epoch, batch = divmod(iteration, len(loader)) if ends else (0, iteration)
        if self._epoch and hasattr(sampler, 'set_epoch'):
            sampler.set_epoch(self._epoch)
        unread = skip_batches(loader, batch)
        self._iterator: Iterator = iter(loader)
        read_and_drop(self, unread)


@LOOPS.register_module()
class ResumableIterBasedTrainLoop(ResumableLoop, IterBasedTrainLoop):
    """MMEngine's ``IterBasedTrainLoop`` that resumes without reading again what was trained.

    Args:
        runner (Runner): The runner.
        dataloader (DataLoader | dict): The training data.
        max_iters (int): Iterations to train.
        val_begin (int): First iteration to validate after. Defaults to 1.
        val_interval (int): Validate after every n-th iteration. Defaults to 1000.
        dynamic_intervals (list[tuple[int, int]], optional): (iteration, interval from there on).
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: Union[DataLoader, Dict],
        max_iters: int,
        val_begin: int = 1,
        val_interval: int = 1000,
        dynamic_intervals: Optional[List[Tuple[int, int]]] = None,
    ) -> None:
        # Not IterBasedTrainLoop.__init__: it starts reading at the first batch at once.
        BaseLoop.__init__(self, runner, dataloader)
        if int(max_iters) != max_iters:
            raise InputError(f'max_iters is {max_iters}, allowed is a whole number')
        self._max_iters = int(max_iters)
        self._max_epochs = 1
        self._epoch = 0
        self._iter = 0
        self.val_begin = val_begin
        self.val_interval = val_interval
        self.stop_training = False
        self.runner.visualizer.dataset_meta = getattr(self.dataloader.dataset, 'metainfo', None)
        self.dynamic_milestones, self.dynamic_intervals = calc_dynamic_intervals(
            val_interval, dynamic_intervals
        )

    def run(self) -> Any:
        """Launch training."""
        self.runner.call_hook('before_train')
        self._make_up_validation()
        # MMEngine treats the whole training as one epoch.
        self.runner.call_hook('before_train_epoch')
        self.dataloader_iterator = with_views_ahead(
            _Batches(self.dataloader, self._iter),
            self.dataloader,
            self.runner.model,
            self._max_iters - self._iter,
        )
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            self.run_iter(next(self.dataloader_iterator))
            self._validate()
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def _validation_is_due(self) -> bool:
        return self._iter >= self.val_begin and (
            self._iter % self.val_interval == 0 or self._iter == self._max_iters
        )
