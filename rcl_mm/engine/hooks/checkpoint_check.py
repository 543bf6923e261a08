"""Refusing a checkpoint that is not of this model, or no checkpoint of a training."""

from typing import Any, Dict, Optional

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from torch import Tensor, nn

from rcl_mm.engine.optimizer_state import optimizer_problem
from rcl_mm.runtime.checkpoint import CheckpointError
from rcl_mm.runtime.weights import (
    load_all_weights,
    renamed_for,
    require_any_weight,
    unwrapped,
    weights_of,
)

HUB_PARTS = ('log_scalars', 'runtime_info', 'resumed_keys')
WAY_OUT = (
    'resume from a checkpoint of a training (epoch_N.pth, iter_N.pth), or begin a new one from '
    'these weights: --cfg-options load_from=FILE'
)


@HOOKS.register_module()
class CheckpointCheckHook(Hook):
    """Checks a checkpoint once it is read and before anything of it is used.

    MMEngine logs weights that are missing, too many or of other shapes, and goes on with random
    ones. Here a test or a resumed training needs all of them, and training with ``load_from`` at
    least one. What is resumed needs the rest of a training's checkpoint, too. Names of
    weights may have the prefixes of torch's wrappers.
    """

    # Before EMAHook and others that take the checkpoint apart.
    priority = 'HIGHEST'

    def after_load_checkpoint(self, runner: Runner, checkpoint: Any) -> None:
        """Check it; weights alone become a checkpoint that has nothing else.

        Raises:
            CheckpointError: With what is there, what is needed and what to do.
        """
        if not isinstance(runner, Runner):
            # The sharded weights of FlexibleRunner are in its strategy's hands.
            return
        source = str(runner._load_from)
        weights = weights_of(checkpoint, source)
        training = isinstance(runner._train_loop, BaseLoop)
        if training and runner._resume:
            check_resumable(runner, checkpoint, source)
        model = unwrapped(runner.model)
        weights = renamed_for(model, weights)
        if 'state_dict' not in checkpoint:
            checkpoint.clear()
        checkpoint['state_dict'] = weights
        if training and not runner._resume:
            require_any_weight(model, weights, source)
        else:
            load_all_weights(model, weights, source)
        problem = _averages_problem(checkpoint, weights, model)
        if problem is None:
            return
        if training and runner._resume:
            raise CheckpointError(f'the ema_state_dict of "{source}" {problem}: give another file')
        # The averages themselves are in state_dict; beside them are the weights of the training.
        runner.logger.warning(f'the ema_state_dict of "{source}" {problem}: it is not used')
        del checkpoint['ema_state_dict']


def check_resumable(runner: Runner, checkpoint: Dict[str, Any], source: str) -> None:
    """Refuse what a training can not go on from.

    Raises:
        CheckpointError: With the first part that is missing or of another kind.
    """

    def refuse(problem: str) -> CheckpointError:
        return CheckpointError(f'"{source}" can not be resumed from: {problem}: {WAY_OUT}')

    for name in ('state_dict', 'meta', 'message_hub', 'optimizer'):
        if name not in checkpoint:
            raise refuse(f'it has no {name}')
        if not isinstance(checkpoint[name], dict):
            kind = type(checkpoint[name]).__name__
            raise refuse(f'its {name} is a {kind}, needed is a dict')
    meta, hub = checkpoint['meta'], checkpoint['message_hub']
    for name in ('epoch', 'iter'):
        if type(meta.get(name)) is not int or meta[name] < 0:
            raise refuse(f'its meta.{name} is {meta.get(name)!r:.40}, needed is a number from 0')
    if not isinstance(meta.get('seed'), (int, type(None))):
        raise refuse(f'its meta.seed is {meta["seed"]!r:.40}, needed is a number')
    for name in HUB_PARTS:
        if not isinstance(hub.get(name), dict):
            raise refuse(f'its message_hub.{name} is no dict')
    if not isinstance(checkpoint.get('resume_state', {}), dict):
        raise refuse('its resume_state is no dict')
    own, saved = runner.param_schedulers, checkpoint.get('param_schedulers')
    if saved is not None and own is not None and not _are_schedules(own, saved):
        raise refuse('its param_schedulers are not those of this config')
    problem = optimizer_problem(runner.optim_wrapper, checkpoint['optimizer'])
    if problem is not None:
        raise refuse(problem)


def _are_schedules(own: Any, saved: Any) -> bool:
    if isinstance(own, dict):
        return isinstance(saved, dict) and all(
            name in saved and _are_schedules(own[name], saved[name]) for name in own
        )
    return isinstance(saved, list) and all(isinstance(one, dict) for one in saved)


def _averages_problem(
    checkpoint: Dict[str, Any], weights: Dict[str, Tensor], model: nn.Module
) -> Optional[str]:
    """Why averages (EMA) are not of the weights beside them and of the model, None if they are."""
    averages = checkpoint.get('ema_state_dict', {})
    if not isinstance(averages, dict):
        return 'is no dict'
    own = model.state_dict()
    for name, value in averages.items():
        plain = str(name).removeprefix('module.')
        if plain == name:
            continue
        known = isinstance(value, Tensor) and plain in weights
        if not known or value.shape != weights[plain].shape:
            return f'has {str(name)[:80]}, which is not of its weights'
        if plain in own and value.shape != own[plain].shape:
            return f'has {str(name)[:80]} in another shape than the model'
    return None
