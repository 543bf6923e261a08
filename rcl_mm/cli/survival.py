"""Giving any config the parts with which a run survives kills, full disks and broken numbers."""

from typing import Any, Dict, List

from mmengine.config import Config

from rcl_mm.engine.hooks.checkpoint import AtomicCheckpointHook
from rcl_mm.engine.hooks.finite_loss import FiniteLossHook
from rcl_mm.engine.hooks.resume import ResumeStateHook
from rcl_mm.engine.hooks.stop_signal import StopSignalHook
from rcl_mm.engine.loops import ResumableEpochBasedTrainLoop, ResumableIterBasedTrainLoop
from rcl_mm.runtime.config_types import type_name

SURVIVAL_HOOKS = (ResumeStateHook, FiniteLossHook, StopSignalHook)
REPLACED_LOOPS = {
    'EpochBasedTrainLoop': ResumableEpochBasedTrainLoop.__name__,
    'IterBasedTrainLoop': ResumableIterBasedTrainLoop.__name__,
}


def survives(cfg: Config) -> bool:
    """Whether a run can have these parts: with MMEngine's usual runner, not with another one.

    ``FlexibleRunner`` (FSDP, DeepSpeed) saves sharded checkpoints in its own way.
    """
    return type_name({'type': cfg.get('runner_type')}) in (None, 'Runner')


def use_resumable_parts(cfg: Config) -> None:
    """Put the resumable loop and the atomic checkpoint hook in the place of MMEngine's, in place.

    Parts of other kinds, which a config names on purpose, stay.

    Args:
        cfg (Config): A config for training.
    """
    train_cfg = cfg.get('train_cfg')
    if train_cfg is not None:
        if 'type' not in train_cfg:
            by_epoch = train_cfg.pop('by_epoch', True)
            train_cfg['type'] = 'EpochBasedTrainLoop' if by_epoch else 'IterBasedTrainLoop'
        _replace(train_cfg, REPLACED_LOOPS)
    hooks: List[Dict[str, Any]] = [
        hook for hook in (cfg.get('default_hooks') or {}).values() if isinstance(hook, dict)
    ]
    for hook in [*hooks, *(cfg.get('custom_hooks') or ())]:
        _replace(hook, {'CheckpointHook': AtomicCheckpointHook.__name__})
    default_hooks = cfg.get('default_hooks') or {}
    if 'checkpoint' not in default_hooks:
        # The runner would take MMEngine's own.
        default_hooks['checkpoint'] = dict(type=AtomicCheckpointHook.__name__, interval=1)
        cfg.default_hooks = default_hooks


def _replace(part: Dict[str, Any], names: Dict[str, str]) -> None:
    """Replace the type of a part if it means one of MMEngine's own, however it is named."""
    name = type_name(part)
    if name in names:
        part['type'] = names[name]
