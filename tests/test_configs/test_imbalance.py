"""Other imbalance factors: one variable, which must really reach the data."""

import argparse

import pytest

from rcl_mm.cli.arguments import train_parser
from rcl_mm.cli.launch import finish_config, load_config
from rcl_mm.datasets import long_tailed_counts
from rcl_mm.runtime.errors import UsageError

from .catalogue import ROOT

CIFAR = 'configs/rcl/resnet32_cifar100_lt.py'


def arguments(config: str, *options: str) -> argparse.Namespace:
    return train_parser().parse_args([str(ROOT / config), '--cfg-options', *options])


def finished(config: str, *options: str):
    args = arguments(config, *options)
    return finish_config(load_config(args), args)


def test_one_variable_reaches_the_training_set() -> None:
    config = finished(CIFAR, 'imbalance_factor=50', 'imbalance_type=step')
    dataset = config.train_dataloader.dataset.dataset
    assert (dataset.imbalance_factor, dataset.imbalance_type) == (50, 'step')
    assert config.imbalance_factor == 50


@pytest.mark.parametrize('factor, total', [(10, 19573), (50, 12608), (100, 10847), (200, 9502)])
def test_totals_of_cifar100_lt(factor, total) -> None:
    """The community's totals, for the factor that the option leaves in the data set's config."""
    dataset = finished(CIFAR, f'imbalance_factor={factor}').train_dataloader.dataset.dataset
    counts = long_tailed_counts(100, 500, dataset.imbalance_factor, dataset.imbalance_type)
    assert counts.sum() == total


def test_it_reaches_nested_and_validation_sets() -> None:
    config = finished('configs/rcl/resnet32_cifar10_jpeg_lt_tune.py', 'imbalance_factor=10')
    assert config.train_dataloader.dataset.dataset.imbalance_factor == 10
    # The validation images are those that the training set leaves: the same profile.
    assert config.val_dataloader.dataset.dataset.imbalance_factor == 10
    assert 'imbalance_factor' not in config.test_dataloader.dataset.dataset


def test_digits_training_set_alone_is_long_tailed() -> None:
    config = finished('configs/rcl/resnet8_digits_lt.py', 'imbalance_factor=10')
    assert config.train_dataloader.dataset.imbalance_factor == 10
    assert 'imbalance_factor' not in config.test_dataloader.dataset


def test_option_of_one_data_set_wins() -> None:
    key = 'train_dataloader.dataset.dataset.imbalance_factor'
    config = finished(CIFAR, f'{key}=20', 'imbalance_factor=50')
    assert config.train_dataloader.dataset.dataset.imbalance_factor == 20


def test_own_config_file_overrides_the_data_set(tmp_path) -> None:
    path = tmp_path / 'mine.py'
    path.write_text(
        f'_base_ = {str(ROOT / CIFAR)!r}\n'
        'train_dataloader = dict(dataset=dict(dataset=dict(imbalance_factor=50)))\n'
    )
    args = train_parser().parse_args([str(path)])
    config = finish_config(load_config(args), args)
    assert config.train_dataloader.dataset.dataset.imbalance_factor == 50


def test_data_root_reaches_all_splits() -> None:
    config = finished('configs/rcl/resnext50_imagenet_lt.py', 'data_root=/big/imagenet')
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        assert config[loader].dataset.data_root == '/big/imagenet'
    config = finished(CIFAR, 'data_root=/big/cifar')
    assert config.train_dataloader.dataset.dataset.data_root == '/big/cifar'


def test_imbalance_of_a_data_set_that_has_one_by_nature_is_refused() -> None:
    with pytest.raises(UsageError, match='imbalance_factor=50.*leave it out'):
        finished('configs/rcl/resnext50_imagenet_lt.py', 'imbalance_factor=50')
