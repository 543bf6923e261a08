"""Saving checkpoints so that a run can always go on from one."""

import os.path as osp
from collections import deque
from typing import Any, Dict, List, Optional

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from rcl_mm.engine.hooks.finite_loss import check_finite_weights
from rcl_mm.runtime.files import AtomicLocalBackend, remove_unfinished, write_atomically
from rcl_mm.runtime.run_lock import give_back_folder, hold_folder

INTERRUPTED = 'interrupted.pth'


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook`` that survives kills and full disks.

    - A checkpoint is written under a temporary name, synced and renamed.
    - Outdated checkpoints (``max_keep_ckpts``, ``save_best``) are removed after the new one is on
      the disk, not before.
    - ``save_best`` knows in which direction the figures of LongTailMetric are better.
    - Another run that writes to the same folder is refused, see :mod:`rcl_mm.runtime.run_lock`.
    - Weights that are not finite are not written: the last good checkpoint stays.
    - Before saving, ``before_checkpoint(runner)`` of all hooks is called on all ranks, so that
      they can gather what :class:`ResumeStateHook` keeps.

    Checkpoints of a remote ``out_dir`` or with own ``backend_args`` are written by that backend.

    Args:
        **kwargs: Arguments of MMEngine's ``CheckpointHook``.
    """

    _default_greater_keys = [
        *CheckpointHook._default_greater_keys,
        *(f'long_tail/{name}' for name in ('balanced', 'many', 'medium', 'few', 'worst')),
    ]
    _default_less_keys = [*CheckpointHook._default_less_keys, 'long_tail/ece']

    def before_train(self, runner: Runner) -> None:
        """Choose the file backend and tidy up after a killed run."""
        local = '://' not in str(self.out_dir or runner.work_dir)
        if local and self.backend_args is None and self.file_client_args is None:
            self.backend_args = dict(backend='atomic_local')
        super().before_train(runner)
        if local:
            self._forget_files_elsewhere(runner)
        self.last_ckpt = runner.message_hub.runtime_info.get('last_ckpt')
        if local and is_main_process():
            hold_folder(self.out_dir)
            for name in remove_unfinished(self.out_dir):
                runner.logger.warning(f'removed {name}: a checkpoint that was never finished')

    def after_train(self, runner: Runner) -> None:
        """Publish what is asked for, and let other runs write there again."""
        super().after_train(runner)
        if '://' not in str(self.out_dir):
            give_back_folder(self.out_dir)

    def _forget_files_elsewhere(self, runner: Runner) -> None:
        """Of the paths in a checkpoint, keep those in this run's folder.

        What they name is removed one day; a work dir may be a copy of another run's, and a
        checkpoint may name anything.
        """

        def own(path: Any) -> Optional[str]:
            name = osp.basename(path) if isinstance(path, str) else ''
            here = self.file_backend.join_path(self.out_dir, name)
            return here if name.startswith('best_') and osp.exists(here) else None

        if self.save_best and len(self.key_indicators) == 1:
            self.best_ckpt_path = own(self.best_ckpt_path)
        elif self.save_best:
            paths = self.best_ckpt_path_dict
            self.best_ckpt_path_dict = {key: own(path) for key, path in paths.items()}
        if self.max_keep_ckpts > 0:
            steps = [step for step in self.keep_ckpt_ids if type(step) is int]
            self.keep_ckpt_ids = deque(steps, self.max_keep_ckpts)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: Dict[str, Any]) -> None:
        """Save, note it down, and only then remove what is outdated."""
        runner.call_hook('before_checkpoint')
        check_finite_weights(runner)
        outdated = self._outdated(runner, step)
        filename = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, filename)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            filename,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if not is_main_process():
            return
        write_atomically(self.last_ckpt.encode(), osp.join(runner.work_dir, 'last_checkpoint'))
        outdated.append(self.file_backend.join_path(self.out_dir, INTERRUPTED))
        for path in outdated:
            if self.file_backend.isfile(path):
                self.file_backend.remove(path)
            elif self.file_backend.isdir(path):
                # Sharded checkpoints are folders.
                self.file_backend.rmtree(path)

    def _outdated(self, runner: Runner, step: int) -> List[str]:
        """Checkpoints that ``max_keep_ckpts`` lets go when this step is saved."""
        if self.max_keep_ckpts <= 0:
            return []
        outdated = []
        if not self.keep_ckpt_ids or self.keep_ckpt_ids[-1] != step:
            if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                name = self.filename_tmpl.format(self.keep_ckpt_ids.popleft())
                outdated.append(self.file_backend.join_path(self.out_dir, name))
            self.keep_ckpt_ids.append(step)
            runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        return outdated

    def _save_best_checkpoint(self, runner: Runner, metrics: Dict[str, Any]) -> None:
        """Save the new best checkpoint before the one it replaces is removed."""
        if self.save_best:
            check_finite_weights(runner)
        if not isinstance(self.file_backend, AtomicLocalBackend):
            super()._save_best_checkpoint(runner, metrics)
            return
        with self.file_backend.removals_at_the_end():
            super()._save_best_checkpoint(runner, metrics)

    def save_interrupted(self, runner: Runner, epoch: int, iteration: int) -> str:
        """Save a run that is to stop here, between the regular checkpoints.

        Args:
            runner (Runner): The runner.
            epoch (int): Finished epochs.
            iteration (int): Finished iterations.

        Returns:
            str: Path of the checkpoint, ``interrupted.pth``; the next regular one removes it.
        """
        runner.call_hook('before_checkpoint')
        check_finite_weights(runner)
        path = self.file_backend.join_path(self.out_dir, INTERRUPTED)
        runner.save_checkpoint(
            self.out_dir,
            INTERRUPTED,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=dict(epoch=epoch, iter=iteration),
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
        )
        if is_main_process():
            write_atomically(path.encode(), osp.join(runner.work_dir, 'last_checkpoint'))
        return path
