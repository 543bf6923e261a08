"""Stopping at the first loss or weight that is infinite or not a number."""

import json
import math
import os.path as osp
from typing import Any, Dict, List, Optional

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from rcl_mm.errors import InputError
from rcl_mm.runtime.files import write_atomically

SHOWN_IMAGES = 4


class NonFiniteError(InputError):
    """A loss or a weight that is infinite or not a number: training can not go on."""


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Stops training at the first loss that is not finite, before a checkpoint can be written.

    The error names the iteration, the term of the loss and the images of the batch; all images go
    to ``non_finite_iter_N.json`` in the work dir. The values are those that MMEngine has already
    fetched for the log, so nothing waits for the device.
    """

    # After RuntimeInfoHook (VERY_HIGH), which puts the values into the log; before all others.
    priority = 'HIGH'

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Optional[Dict[str, torch.Tensor]] = None,
    ) -> None:
        """Check the terms of the loss of this iteration.

        Raises:
            NonFiniteError: If one of them is not finite.
        """
        terms = [name for name in outputs or {} if 'loss' in name]
        values = {name: _logged_value(runner, name) for name in terms}
        bad = {name: value for name, value in values.items() if not math.isfinite(value)}
        if not bad:
            return
        # The sum is named only if no term of it explains it.
        named = {name: value for name, value in bad.items() if name != 'loss'} or bad
        images = image_names(data_batch)
        iteration = runner.iter + 1
        record = dict(iteration=iteration, epoch=runner.epoch + 1, terms=values, images=images)
        name = f'non_finite_iter_{iteration}.json'
        if runner.world_size > 1:
            name = f'non_finite_iter_{iteration}_rank_{runner.rank}.json'
        path = osp.join(runner.work_dir, name)
        write_atomically(json.dumps(record, indent=1).encode(), path)
        shown = ', '.join(images[:SHOWN_IMAGES])
        more = f' and {len(images) - SHOWN_IMAGES} more' if len(images) > SHOWN_IMAGES else ''
        raise NonFiniteError(
            f'iteration {iteration} (epoch {runner.epoch + 1}): '
            f'{", ".join(f"{name} is {value}" for name, value in named.items())}; images: {shown}'
            f'{more} (all in {path}); no checkpoint of it is written: look at the images, lower '
            'the learning rate, or raise the temperature'
        )


def _logged_value(runner: Runner, name: str) -> float:
    """The latest value in the log of the run."""
    return float(runner.message_hub.get_scalar(f'train/{name}').current())


def image_names(data_batch: Any) -> List[str]:
    """Paths of the images of a batch, or their numbers in the data set where there are no files."""
    samples = data_batch.get('data_samples', ()) if isinstance(data_batch, dict) else ()
    names = []
    for sample in samples:
        metainfo = getattr(sample, 'metainfo', {})
        name = metainfo.get('img_path')
        names.append(str(name) if name else f'sample {int(metainfo.get("sample_idx", -1))}')
    return names


def check_finite_weights(runner: Runner) -> None:
    """Refuse to save a model with weights that are infinite or not a number.

    Raises:
        NonFiniteError: With the iteration and the first such parameter or buffer.
    """
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    bad = first_non_finite(model.state_dict())
    if bad is not None:
        raise NonFiniteError(
            f'iteration {runner.iter + 1}: {bad} is not finite, so no checkpoint is written; the '
            'last good one is kept: lower the learning rate or clip gradients, and --resume'
        )


def first_non_finite(state: Dict[str, torch.Tensor]) -> Optional[str]:
    """Name of the first floating-point tensor with a value that is not finite, if any."""
    names = [
        name
        for name, value in state.items()
        if isinstance(value, torch.Tensor) and value.is_floating_point()
    ]
    if not names:
        return None
    # One transfer from the device for all tensors.
    finite = torch.stack([torch.isfinite(state[name]).all() for name in names]).tolist()
    return next((name for name, is_finite in zip(names, finite) if not is_finite), None)
