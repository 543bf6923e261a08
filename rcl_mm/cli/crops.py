"""Crops that the loader leaves to the device must be cut there: checked before anything starts."""

import inspect
from typing import Any, Iterator

from mmengine.config import Config
from mmpretrain.registry import MODELS

from rcl_mm.models.device_crop import DeviceCropPreprocessor
from rcl_mm.runtime.config_types import is_type
from rcl_mm.runtime.errors import UsageError


def check_crops(cfg: Config) -> None:
    """Refuse a config that chooses crops with ``CropOnDevice`` and has nothing that cuts them.

    Another preprocessor would train on the whole images, padded to one size, without a word.

    Args:
        cfg (Config): A config for training.

    Raises:
        UsageError: If the preprocessor is not ``DeviceCropPreprocessor``, or has another number of
            views.
    """
    chosen = {step.get('num_views', 3) for step in _crops(cfg.train_dataloader.get('dataset'))}
    if not chosen:
        return
    preprocessor = cfg.get('data_preprocessor') or {}
    preprocessor = (cfg.get('model') or {}).get('data_preprocessor') or preprocessor
    kind = preprocessor.get('type', 'ClsDataPreprocessor')
    built = kind if inspect.isclass(kind) else MODELS.get(kind)
    if inspect.isclass(built) and not issubclass(built, DeviceCropPreprocessor):
        raise UsageError(
            'the training pipeline leaves its crops to the device (CropOnDevice), and '
            f'data_preprocessor is {getattr(kind, "__name__", kind)}: take DeviceCropPreprocessor '
            'with view_augments, or a pipeline with ReproducibleMultiView and PackInputs'
        )
    augments = preprocessor.get('view_augments')
    if augments is not None and chosen != {len(augments)}:
        raise UsageError(
            f'CropOnDevice has num_views={", ".join(map(str, sorted(chosen)))}, and '
            f'data_preprocessor.view_augments has {len(augments)} views: give as many of both'
        )


def _crops(node: Any) -> Iterator[dict]:
    """Every step CropOnDevice of a data set's config, at any depth."""
    if isinstance(node, dict):
        if is_type(node, 'CropOnDevice'):
            yield node
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for child in node:
            yield from _crops(child)
