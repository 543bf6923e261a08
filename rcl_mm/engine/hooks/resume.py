"""Going on exactly where a run was."""

import os.path as osp
import uuid
from typing import Any, Dict, List, Optional

import torch
from mmengine.dist import all_gather_object, broadcast_object_list, get_world_size
from mmengine.hooks import CheckpointHook, Hook
from mmengine.optim import OptimWrapperDict
from mmengine.registry import HOOKS
from mmengine.runner import IterBasedTrainLoop, Runner
from mmengine.runner.base_loop import BaseLoop

from rcl_mm.engine.loops import ResumableLoop
from rcl_mm.engine.random_states import get_random_states, set_random_states
from rcl_mm.engine.rank_buffers import differing_buffers, own_buffers, set_buffers
from rcl_mm.errors import InputError
from rcl_mm.runtime.checkpoint import CheckpointError
from rcl_mm.runtime.find_checkpoint import NOTE, newest_whole_checkpoint

VERSION = 1


@HOOKS.register_module()
class ResumeStateHook(Hook):
    """Makes a resumed run equal to one that was never stopped, to the last bit on a CPU.

    MMEngine keeps weights, optimizer, schedules and the log in a checkpoint. This hook adds, in
    ``checkpoint['resume_state']``, the random states of Python, numpy, torch and CUDA of every
    rank, the buffers in which a rank differs from the first one (statistics of batch norm, each
    rank having seen other images), the position inside the epoch, and whether the validation due
    at that point was done. Data loaders get random generators of their own, so that starting their
    workers (which happens once more in a resumed run) draws nothing from the states that the
    training uses.

    With ``--resume`` it also chooses the checkpoint: the newest whole one of the work dir.

    Augmentation is exact with :class:`ReproducibleSampler` and the ``Reproducible...`` transforms,
    which draw from (seed, epoch, index, view); other random transforms are exact only without
    worker processes. The training loop must be one of ``Resumable...TrainLoop``, else positions
    inside an epoch are lost, as in MMEngine.
    """

    # Before CheckpointHook (VERY_LOW), which may save in the same stage.
    priority = 'LOW'

    def __init__(self) -> None:
        self._rank_states: Optional[List[dict]] = None
        self._rank_buffers: List[Dict[str, torch.Tensor]] = []
        # Epoch, and batches of it that are trained.
        self._position = (0, 0)
        self._validated_iter = -1
        self._resumed: Optional[Dict[str, Any]] = None
        self._warned = False
        # Tells the files of this run, which goes on when it is resumed, from those of another one.
        self._run = uuid.uuid4().hex

    def before_run(self, runner: Runner) -> None:
        """Choose the checkpoint to resume from, the same on all ranks."""
        folder = checkpoint_folder(runner)
        if not runner._resume or runner._load_from is not None or '://' in folder:
            return
        # One process looks, all learn what it found, also that a disk can not be read.
        found: List[Any] = [None, None]
        if runner.rank == 0:
            try:
                found[0] = newest_whole_checkpoint(folder, osp.join(runner.work_dir, NOTE))
            except OSError as error:
                found[1] = error
        broadcast_object_list(found)
        chosen, error = found
        if error is not None:
            raise error
        runner._load_from = chosen
        if chosen is None:
            # Otherwise MMEngine would look into `last_checkpoint`, which may name a broken file.
            runner._resume = False
            runner.logger.warning(
                f'no whole checkpoint in {folder}: training starts from the beginning'
            )
        else:
            runner.logger.info(f'Resuming from the newest whole checkpoint, {chosen}.')

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep the state of a checkpoint that is resumed from until training begins."""
        if runner._resume:
            meta = checkpoint.get('meta') or {}
            state = checkpoint.get('resume_state') or {}
            self._resumed = dict(state, iter=meta.get('iter', 0), epoch=meta.get('epoch', 0))
            warn_of_extended_schedules(runner, checkpoint)

    def before_train(self, runner: Runner) -> None:
        """Give the loaders generators of their own; put a resumed run where it was."""
        for loop in (runner._train_loop, runner._val_loop):
            loader = getattr(loop, 'dataloader', None)
            if loader is not None and loader.generator is None:
                loader.generator = torch.Generator()
                loader.generator.manual_seed(runner.seed)
        if self._resumed is not None:
            self._restore(runner, self._resumed)
            self._resumed = None

    def after_train_iter(self, runner: Runner, batch_idx: int, *args: Any, **kwargs: Any) -> None:
        """Note the position."""
        self._position = (runner.epoch, batch_idx + 1)

    def after_val_epoch(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Note that the validation of this point is done."""
        if isinstance(runner._train_loop, BaseLoop):
            self._validated_iter = runner.iter

    def before_checkpoint(self, runner: Runner) -> None:
        """Gather what the ranks do not share; called on all of them."""
        self._rank_states = all_gather_object(get_random_states())
        self._rank_buffers = differing_buffers(all_gather_object(own_buffers(runner)))

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the state; called on the main process only."""
        states, self._rank_states = self._rank_states, None
        if states is None and runner.world_size == 1:
            states = [get_random_states()]
        if 'optimizer' not in checkpoint or not isinstance(runner._train_loop, BaseLoop):
            return
        if not ends_an_optimizer_step(runner) and not self._warned:
            self._warned = True
            runner.logger.warning(
                'a checkpoint between two steps of gradient accumulation does not hold the '
                'gradients so far, so a run resumed from it is not exactly the same: save at '
                'multiples of accumulative_counts'
            )
        meta = checkpoint['meta']
        epoch, batches = self._position
        loader = runner.train_dataloader
        checkpoint['resume_state'] = dict(
            version=VERSION,
            run=self._run,
            random_states=states,
            rank_buffers=self._rank_buffers,
            batches_done=batches if meta['epoch'] == epoch else 0,
            validated=self._validated_iter == meta['iter'],
            world_size=runner.world_size,
            batch_size=loader.batch_sampler.batch_size,
            batches_in_epoch=len(loader),
        )

    def _restore(self, runner: Runner, state: Dict[str, Any]) -> None:
        loop = runner.train_loop
        batches = self._batches_done(loop, state)
        self._run = state.get('run', self._run)
        self._position = (state['epoch'], batches)
        if isinstance(loop, ResumableLoop):
            loop.first_batch = batches
            loop.validated = state.get('validated', True) or batches > 0 or state['iter'] == 0
        elif batches:
            runner.logger.warning(
                f'the checkpoint is from the middle of an epoch, after {batches} batches, but '
                f'{type(loop).__name__} begins with the first one again: use '
                'train_cfg = dict(type="ResumableEpochBasedTrainLoop", ...)'
            )
        states = state.get('random_states')
        if isinstance(states, list) and len(states) == runner.world_size:
            try:
                set_random_states(states[runner.rank])
                if state.get('rank_buffers'):
                    set_buffers(runner, state['rank_buffers'][runner.rank])
            except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
                raise CheckpointError(
                    f'the resume_state of "{runner._load_from}" is no state of a run '
                    f'({type(error).__name__}: {error}): resume from another checkpoint'
                ) from error
        else:
            kept = len(states) if isinstance(states, list) else 'no'
            runner.logger.warning(
                f'the checkpoint has random states of {kept} processes, this run has '
                f'{runner.world_size}: it goes on with other random numbers'
            )

    @staticmethod
    def _batches_done(loop: BaseLoop, state: Dict[str, Any]) -> int:
        """Batches of the epoch that are trained, checked against the loader of this run."""
        if isinstance(loop, IterBasedTrainLoop):
            return 0
        length = len(loop.dataloader)
        if not isinstance(state.get('batches_done'), int):
            # A checkpoint of MMEngine's own hook.
            batches = state['iter'] - state['epoch'] * length
            return batches if 0 < batches <= length else 0
        was = tuple(state.get(name) for name in ('world_size', 'batch_size', 'batches_in_epoch'))
        now = (get_world_size(), loop.dataloader.batch_sampler.batch_size, length)
        if state['batches_done'] and was != now:
            raise InputError(
                f'the checkpoint is from the middle of epoch {state["epoch"] + 1}: (processes, '
                f'batch size, batches) were {was}, now they are {now}: resume with the same, or '
                'from a checkpoint of the end of an epoch'
            )
        return state['batches_done']


def ends_an_optimizer_step(runner: Runner) -> bool:
    """Whether the gradients of this iteration were used: a checkpoint does not hold them."""
    wrappers = runner.optim_wrapper
    wrappers = wrappers.values() if isinstance(wrappers, OptimWrapperDict) else [wrappers]
    return all(wrapper.should_update() for wrapper in wrappers)


def checkpoint_folder(runner: Runner) -> str:
    """Where the checkpoints of a run are, also with an ``out_dir`` of its checkpoint hook."""
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook) and hook.out_dir is not None:
            return osp.join(str(hook.out_dir), osp.basename(runner.work_dir.rstrip(osp.sep)))
    return runner.work_dir


def warn_of_extended_schedules(runner: Runner, checkpoint: dict) -> None:
    """Say so if a learning rate schedule keeps the end that it had when the run was shorter.

    A scheduler without an explicit ``end`` takes the length of the run, and a checkpoint brings
    back the old one: the learning rate would then stay where it was, without a word.
    """
    schedulers, states = runner.param_schedulers, checkpoint.get('param_schedulers')
    if not isinstance(schedulers, list) or not isinstance(states, list):
        return
    for scheduler, state in zip(schedulers, states):
        end = getattr(scheduler, 'end', None)
        if end is not None and state.get('end') is not None and state['end'] != end:
            unit = 'epochs' if scheduler.by_epoch else 'iterations'
            runner.logger.warning(
                f'{type(scheduler).__name__} of the checkpoint ends after {state["end"]} {unit}, '
                f'the config says {end}: the one of the checkpoint holds, and the learning rate '
                'stays constant after it; start a new run with load_from to change the schedule'
            )
