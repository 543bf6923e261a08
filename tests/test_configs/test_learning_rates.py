"""Learning rates of the recipes against the formulas of the field, epoch by epoch."""

import math
import re
from typing import Callable, List

import pytest
import torch
from mmengine.registry import PARAM_SCHEDULERS

from .catalogue import benchmark_configs, load

WITHOUT_DIGITS = [name for name in benchmark_configs() if 'digits' not in name]


def warm_up_and_steps(lr: float, warm_up: int, milestones: List[int]) -> Callable[[int], float]:
    """CIFAR-LT: lr / w * (e + 1), then a tenth at each milestone."""

    def rate(epoch: int) -> float:
        if epoch < warm_up:
            return lr / warm_up * (epoch + 1)
        return lr * 0.1 ** sum(epoch >= milestone for milestone in milestones)

    return rate


def cosine(lr: float, epochs: int, warm_up: int = 0) -> Callable[[int], float]:
    """ImageNet-LT and iNat: lr * 0.5 * (1 + cos(pi * (e - w + 1) / (E - w + 1)))."""

    def rate(epoch: int) -> float:
        if epoch < warm_up:
            return lr / warm_up * (epoch + 1)
        return lr * 0.5 * (1 + math.cos(math.pi * (epoch - warm_up + 1) / (epochs - warm_up + 1)))

    return rate


RECIPES = {
    'cifar.*_tune': (40, 5e-4, warm_up_and_steps(0.15, 5, [32, 36])),
    'cifar.*_400e': (400, 5e-4, warm_up_and_steps(0.15, 10, [360, 380])),
    'cifar.*_20e': (20, 5e-4, warm_up_and_steps(0.15, 2, [16, 18])),
    'cifar': (200, 5e-4, warm_up_and_steps(0.15, 5, [160, 180])),
    'imagenet_lt_180e': (180, 5e-4, cosine(0.1, 180)),
    'imagenet_lt': (90, 5e-4, cosine(0.1, 90)),
    'inaturalist2018': (100, 1e-4, cosine(0.2, 100)),
    'places_lt': (30, 5e-4, cosine(0.02, 30, warm_up=5)),
}


def build(config, lr: float):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    schedulers = [
        PARAM_SCHEDULERS.build(dict(scheduler), default_args=dict(optimizer=optimizer))
        for scheduler in config.param_scheduler
    ]
    return optimizer, schedulers


def curve(config, stop_at: int = None) -> List[float]:
    """Learning rate of each epoch, as MMEngine's loop and hook step it; with a resume if asked."""
    assert all(scheduler['by_epoch'] for scheduler in config.param_scheduler)
    lr = config.optim_wrapper.optimizer.lr
    optimizer, schedulers = build(config, lr)
    rates = []
    for epoch in range(config.train_cfg.max_epochs):
        if epoch == stop_at:
            states = [scheduler.state_dict() for scheduler in schedulers]
            optimizer_state = optimizer.state_dict()
            optimizer, schedulers = build(config, lr)
            optimizer.load_state_dict(optimizer_state)
            for scheduler, state in zip(schedulers, states):
                scheduler.load_state_dict(state)
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    return rates


def recipe(name: str):
    return next(value for pattern, value in RECIPES.items() if re.search(pattern, name))


@pytest.mark.parametrize('name', WITHOUT_DIGITS)
def test_optimizer_is_the_one_of_the_recipe(name) -> None:
    epochs, weight_decay, _ = recipe(name)
    config = load(name)
    assert config.train_cfg.max_epochs == epochs
    optimizer = config.optim_wrapper.optimizer
    assert optimizer.type == 'SGD' and not optimizer.get('nesterov', False)
    assert optimizer.momentum == 0.9 and optimizer.weight_decay == weight_decay
    # On all parameters.
    assert 'paramwise_cfg' not in config.optim_wrapper
    batch = 128 if 'places' in name else 256
    gpus = 8 if re.search('8gpu|fsdp', name) else 1
    assert config.train_dataloader.batch_size * gpus == batch
    assert config.auto_scale_lr.base_batch_size == batch


@pytest.mark.parametrize('name', WITHOUT_DIGITS)
def test_learning_rate_follows_the_formula(name) -> None:
    epochs, _, formula = recipe(name)
    rates = curve(load(name))
    for epoch in range(epochs):
        assert rates[epoch] == pytest.approx(formula(epoch), rel=1e-9), f'epoch {epoch}'


def test_formulas_at_hand_computed_epochs() -> None:
    cifar = curve(load('rcl/resnet32_cifar10_lt.py'))
    expected = {0: 0.03, 3: 0.12, 4: 0.15, 159: 0.15, 160: 0.015, 179: 0.015, 180: 0.0015}
    assert {e: pytest.approx(cifar[e]) for e in expected} == expected
    longer = curve(load('rcl/resnet32_cifar100_lt_400e.py'))
    expected = {0: 0.015, 9: 0.15, 359: 0.15, 360: 0.015, 380: 0.0015, 399: 0.0015}
    assert {e: pytest.approx(longer[e]) for e in expected} == expected
    imagenet = curve(load('rcl/resnext50_imagenet_lt.py'))
    # (e + 1) / (E + 1) is 1/91 at first, about a half in the middle, 90/91 at the end.
    assert imagenet[0] == pytest.approx(0.0999702, abs=1e-7)
    assert imagenet[44] > 0.05 > imagenet[45]
    assert imagenet[89] == pytest.approx(2.97930e-5, rel=1e-5)
    places = curve(load('rcl/resnet152_places_lt.py'))
    assert [pytest.approx(rate) for rate in places[:5]] == [0.004, 0.008, 0.012, 0.016, 0.02]
    assert places[5] == pytest.approx(0.02 * 0.5 * (1 + math.cos(math.pi / 26)))


@pytest.mark.parametrize(
    'name, stop_at',
    [
        ('rcl/resnext50_imagenet_lt.py', 1),
        ('rcl/resnext50_imagenet_lt.py', 60),
        ('rcl/resnet152_places_lt.py', 5),
        ('rcl/resnet32_cifar10_lt.py', 170),
    ],
)
def test_resumed_run_keeps_its_curve(name, stop_at) -> None:
    config = load(name)
    assert curve(config, stop_at) == curve(config)
