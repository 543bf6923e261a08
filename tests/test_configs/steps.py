"""Training steps of configs at their real input size, with two images through the real pipeline."""

import copy
import functools
from typing import Dict, Tuple
from unittest import mock

import cv2
import numpy as np
import torch
from mmengine.registry import FUNCTIONS
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from sklearn.datasets import load_sample_images
from torch import Tensor, nn

from rcl_mm.datasets.transforms import build_pipeline

from .catalogue import key, load, training_pipeline

BATCH = 2


def build_uninitialised(config: dict) -> nn.Module:
    """A module whose large weights are left as they lie in memory: quick, for counting only."""

    def leave(tensor: Tensor, *_, **__) -> Tensor:
        return tensor

    with mock.patch.multiple('torch.nn.init', kaiming_uniform_=leave, uniform_=leave):
        return MODELS.build(config)


def give_class_counts(module: nn.Module, num_classes: int) -> None:
    """Long-tailed counts, as ClassCountsHook would give them."""
    counts = np.geomspace(1280, 5, num_classes).astype(np.int64)
    for part in module.modules():
        if hasattr(part, 'set_class_counts'):
            part.set_class_counts(counts)


@functools.cache
def encoded_photo() -> bytes:
    """A real photograph as a JPEG file."""
    photo = load_sample_images().images[0]
    return cv2.imencode('.jpg', photo[..., ::-1])[1].tobytes()


def training_batch(name: str) -> dict:
    """What the data loader gives for two images of the classes 0 and C - 1."""
    config = load(name)
    labels = [0, config.model.head.num_classes - 1]
    if config.train_dataloader.collate_fn.type == 'resident_collate':
        images = torch.arange(BATCH * 3 * 32 * 32).view(BATCH, 3, 32, 32).remainder(251).byte()
        samples = [DataSample().set_gt_label(label) for label in labels]
        return dict(inputs=images, data_samples=samples)
    pipeline = build_pipeline(training_pipeline(name))
    items = []
    with mock.patch('mmengine.fileio.get', return_value=encoded_photo()):
        for label in labels:
            image = np.random.RandomState(label).randint(0, 256, (32, 32, 3), dtype=np.uint8)
            results = dict(img_path='photo.jpg', gt_label=label, sample_idx=label)
            results.update(img=image, img_shape=(32, 32), ori_shape=(32, 32))
            items.append(pipeline(results))
    collate = FUNCTIONS.get(config.train_dataloader.collate_fn.type)
    return collate(items)


_sizes: Dict[str, int] = {}


def input_size(name: str) -> int:
    """Side of the square training images; found once for all configs with the same pipeline."""
    what = key(training_pipeline(name), load(name).model.data_preprocessor)
    if what not in _sizes:
        # What the network gets: where the device cuts the views, the loader gives whole images.
        preprocessor = MODELS.build(load(name).model.data_preprocessor)
        _sizes[what] = preprocessor(training_batch(name), training=True)['inputs'].shape[-1]
    return _sizes[what]


_parameters: Dict[str, Tuple[int, int]] = {}


def parameters(name: str) -> Tuple[int, int]:
    """Parameters of the backbone and of the whole model."""
    model = load(name).model
    if key(model) not in _parameters:
        built = build_uninitialised(model)
        _parameters[key(model)] = tuple(
            sum(p.numel() for p in part.parameters()) for part in (built.backbone, built)
        )
    return _parameters[key(model)]


def backward(losses: Dict[str, Tensor]) -> Dict[str, float]:
    """One backward pass of the sum of all losses; their values."""
    parts = {name: value for name, value in losses.items() if 'loss' in name}
    sum(parts.values()).backward()
    return {name: float(value.detach()) for name, value in parts.items()}


def check_gradients(module: nn.Module) -> None:
    """Every trained parameter has a finite gradient, and they are not all zero."""
    trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
    without = [name for name, p in trained.items() if p.grad is None]
    assert not without, f'no gradient reaches {without}'
    norms = torch.stack([p.grad.norm() for p in trained.values()])
    assert torch.isfinite(norms).all() and (norms > 0).any()


_losses: Dict[str, Dict[str, float]] = {}


def full_step(name: str) -> Dict[str, float]:
    """Losses of a step of the whole model; done once for all configs with the same step."""
    config = load(name)
    what = key(config.model, training_pipeline(name))
    if what not in _losses:
        _losses[what] = _full_step(name)
    return _losses[what]


def _on_cpu(model: dict) -> dict:
    """The model with what a CPU can not do replaced: SyncBN raises."""
    model = copy.deepcopy(model)
    for part, norm in (('backbone', 'BN'), ('head', 'BN1d')):
        if model[part].get('norm_cfg', {}).get('type') == 'SyncBN':
            model[part]['norm_cfg'] = dict(type=norm)
    return model


def _full_step(name: str) -> Dict[str, float]:
    config = load(name)
    torch.manual_seed(0)
    model = MODELS.build(_on_cpu(config.model))
    # Not the pre-trained weights, which would be downloaded here.
    for part in (model.neck, model.head):
        part.init_weights()
    give_class_counts(model, config.model.head.num_classes)
    model.train()
    data = model.data_preprocessor(training_batch(name), training=True)
    losses = backward(model(**data, mode='loss'))
    check_gradients(model)
    return losses


_maps: Dict[str, Tensor] = {}


def _feature_maps(name: str) -> Tensor:
    """Maps of three views of the batch; made once for all configs with the same backbone."""
    backbone = load(name).model.backbone
    if key(backbone) not in _maps:
        torch.manual_seed(0)
        backbone_config = _on_cpu(load(name).model)['backbone']
        module = MODELS.build({**backbone_config, 'init_cfg': None})
        module.train()
        size = input_size(name)
        with torch.no_grad():
            _maps[key(backbone)] = module(torch.randn(3 * BATCH, 3, size, size))[-1]
    return _maps[key(backbone)]


_head_steps: Dict[str, Tuple[Dict[str, float], float]] = {}


def head_step(name: str, views: int) -> Tuple[Dict[str, float], float]:
    """Forward and backward of neck and head, on feature maps of the real backbone and input size.

    Returns:
        tuple: The losses and the norm of the gradient of the feature maps.
    """
    model = load(name).model
    what = key(model.backbone, model.neck, model.head, views)
    if what not in _head_steps:
        _head_steps[what] = _head_step(name, views)
    return _head_steps[what]


def _head_step(name: str, views: int) -> Tuple[Dict[str, float], float]:
    model = load(name).model
    maps = _feature_maps(name)[: views * BATCH].clone().requires_grad_()
    torch.manual_seed(0)
    head = MODELS.build(_on_cpu(model)['head'])
    head.init_weights()
    give_class_counts(head, model.head.num_classes)
    labels = [0, model.head.num_classes - 1]
    samples = [DataSample().set_gt_label(label) for label in labels]
    features = MODELS.build(model.neck)((maps,))
    losses = backward(head.loss(features, samples))
    check_gradients(head)
    return losses, float(maps.grad.norm())
