"""A trained classifier from its checkpoint alone."""

import copy
import os.path as osp
from contextlib import contextmanager
from typing import Any, Iterator, List, NamedTuple, Optional, Tuple, Union

import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.models.classifiers import BaseClassifier
from mmpretrain.registry import TRANSFORMS
from torch import nn

from rcl_mm.datasets.folder_config import fill_in_folder_data, fill_in_number_of_classes
from rcl_mm.errors import InputError
from rcl_mm.runtime.checkpoint import load_checkpoint_file
from rcl_mm.runtime.config_types import is_type
from rcl_mm.runtime.configs import loader_pipeline, read_config
from rcl_mm.runtime.literal_config import read_literal_config
from rcl_mm.runtime.recorded_config import (
    WAY_OUT,
    UntrustedConfigError,
    for_inference,
    only_registered,
)
from rcl_mm.runtime.weights import load_all_weights, unwrapped, weights_of

# What classes raise for settings that they do not take.
BUILD_ERRORS = (TypeError, ValueError, LookupError, AttributeError, AssertionError, RuntimeError)

# Of LoadCheckedImage; here an image that can not be read is named and passed over.
CHECK_SETTINGS = ('on_error', 'max_skipped_share', 'max_pixels')


class Classifier(NamedTuple):
    """What is needed to classify images: model in evaluation mode, pipeline, class names."""

    model: nn.Module
    config: Config
    classes: Tuple[str, ...]


def checkpoint_config(checkpoint: Union[str, dict]) -> Config:
    """The config that a checkpoint was trained with, ready for inference.

    It is read from the checkpoint as data, never executed. It has the parts that inference uses,
    and they name nothing but registered classes, see :mod:`rcl_mm.runtime.recorded_config`. It does
    not download pre-trained weights: the checkpoint's own come in their place.

    Args:
        checkpoint (str | dict): Path of a checkpoint, or what is in it.

    Returns:
        Config: For example for ``mmpretrain.ImageClassificationInferencer(config, path)``.

    Raises:
        InputError: If the checkpoint records no config, or one that is not plain data.
        UntrustedConfigError: If the config asks for more than a classifier needs.
    """
    name = 'the checkpoint'
    if not isinstance(checkpoint, dict):
        name, checkpoint = f'"{checkpoint}"', load_checkpoint_file(checkpoint)
    return _recorded_config(checkpoint, name)


def _recorded_config(checkpoint: Any, name: str) -> Config:
    """The config in what a checkpoint holds; ``name`` is for messages."""
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    text = meta.get('cfg') if isinstance(meta, dict) else None
    if not isinstance(text, str):
        raise InputError(f'{name} records no config: give the config of its training (--config)')
    try:
        cfg = read_literal_config(text)
    except ValueError as error:
        raise InputError(
            f'{name} records a config that can not be read: {error}; give the config of its '
            'training (--config)'
        ) from None
    try:
        return for_inference(cfg)
    except UntrustedConfigError as error:
        raise UntrustedConfigError(f'{name} records a config that is refused: {error}') from None


def without_downloads(cfg: Config) -> Config:
    """A copy of a config whose model loads no pre-trained weights when it is built."""
    cfg = copy.deepcopy(cfg)
    _drop_pretrained(cfg.get('model'))
    return cfg


def load_classifier(
    checkpoint: str, config: Optional[str] = None, device: Union[str, torch.device] = 'cpu'
) -> Classifier:
    """Build the model of a checkpoint and load its weights.

    Args:
        checkpoint (str): Path of a checkpoint of ``tools/train.py`` or another MMEngine run.
        config (str, optional): Path of its config. Defaults to what the checkpoint records.
        device (str | torch.device): Defaults to 'cpu'.

    Raises:
        FileNotFoundError: If one of the files does not exist.
        InputError: If the checkpoint has no weights, or they are not those of the config's model.
    """
    contents = load_checkpoint_file(checkpoint)
    if config is None:
        cfg = _recorded_config(contents, f'"{checkpoint}"')
    elif not osp.isfile(config):
        raise FileNotFoundError(f'config "{config}" does not exist: give the path of a config file')
    else:
        cfg = without_downloads(read_config(config))
    weights = weights_of(contents, checkpoint)
    if not isinstance(cfg.get('model'), dict):
        raise InputError(f'the config of "{checkpoint}" has no model: {WAY_OUT}')
    meta = contents.get('meta') if 'state_dict' in contents else None
    names = ((meta or {}).get('dataset_meta') or {}).get('classes')
    if names:
        fill_in_number_of_classes(cfg, len(names))
    elif config is not None:
        # What a checkpoint records reads no folders.
        fill_in_folder_data(cfg)
    if config is not None:
        # One's own config may build one's own parts.
        model = _build_model(cfg)
    else:
        with building_from(checkpoint):
            model = _build_model(cfg)
            if not isinstance(model, BaseClassifier):
                raise InputError(f'its model is a {type(model).__name__}, no classifier')
            if cfg.get('test_dataloader') or cfg.get('val_dataloader'):
                image_pipeline(cfg)
    load_all_weights(unwrapped(model), weights, checkpoint)
    num_classes = getattr(getattr(model, 'head', None), 'num_classes', None)
    classes = tuple(map(str, names or range(num_classes or 0)))
    if num_classes is not None and len(classes) != num_classes:
        raise InputError(
            f'"{checkpoint}" names {len(classes)} classes, its model has {num_classes}: give the '
            'config of its training'
        )
    return Classifier(model.eval().to(device), cfg, classes)


def _build_model(cfg: Config) -> nn.Module:
    model_cfg = copy.deepcopy(cfg.model)
    if cfg.get('data_preprocessor'):
        model_cfg.setdefault('data_preprocessor', cfg.data_preprocessor)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build(model_cfg)


@contextmanager
def building_from(checkpoint: str) -> Iterator[None]:
    """Build from a recorded config: allowed classes only, and what they refuse in one line."""
    try:
        with only_registered():
            yield
    except BUILD_ERRORS as error:
        reason = ' '.join(str(error).split()) or type(error).__name__
        raise InputError(
            f'"{checkpoint}" records a config that can not be built: {reason:.200}: {WAY_OUT}'
        ) from error


def image_pipeline(cfg: Config) -> Compose:
    """The test pipeline of a config, from the path of an image file.

    For data that is not in files (CIFAR, Digits-LT) loading is put in front, in RGB as there.

    Raises:
        InputError: If the config has no test pipeline.
    """
    loader = cfg.get('test_dataloader') or cfg.get('val_dataloader')
    steps: List[Any] = [copy.deepcopy(dict(step)) for step in loader_pipeline(loader)]
    if not steps:
        raise InputError('the config has no test_dataloader with a pipeline: add one')
    from_files = is_type(steps[0], 'LoadImageFromFile', 'LoadCheckedImage')
    load = steps.pop(0) if from_files else {}
    load = {key: value for key, value in load.items() if key not in CHECK_SETTINGS}
    load = TRANSFORMS.build({**load, 'type': 'LoadImageFromFile', 'ignore_empty': True})
    parts = [load] if from_files else [load, _to_rgb]
    return Compose([*parts, *(TRANSFORMS.build(step) for step in steps)])


def takes_rgb(cfg: Config) -> bool:
    """Whether the network of a config works on RGB images, after its data preprocessor."""
    preprocessor = cfg.get('data_preprocessor') or cfg.model.get('data_preprocessor') or {}
    pipeline = image_pipeline(cfg).transforms
    from_files = _to_rgb not in pipeline
    return bool(preprocessor.get('to_rgb')) == from_files


def _to_rgb(results: dict) -> dict:
    results['img'] = results['img'][..., ::-1].copy()
    return results


def _drop_pretrained(node: Any) -> None:
    """Take pre-trained weights out of a model config, in place."""
    if isinstance(node, dict):
        init_cfg = node.get('init_cfg')
        inits = init_cfg if isinstance(init_cfg, (list, tuple)) else [init_cfg]
        if any(is_type(one, 'Pretrained') for one in inits):
            node['init_cfg'] = None
        if node.get('pretrained'):
            node['pretrained'] = False if isinstance(node['pretrained'], bool) else None
        if node.get('checkpoint_path'):
            node['checkpoint_path'] = ''
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for child in node:
            _drop_pretrained(child)
