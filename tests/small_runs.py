"""Runs of the real Digits-LT configs, cut to a few iterations, inside the test process."""

import itertools
from pathlib import Path

import pytest

from rcl_mm.cli.launch import main

REPOSITORY = Path(__file__).resolve().parents[1]
RCL_DIGITS = REPOSITORY / 'configs/rcl/resnet8_digits_lt.py'
# 102 images in 7 iterations, two epochs, validated on 50 images after each.
SMALL = """
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(img_max=24, imbalance_factor=8),
)
val_dataloader = dict(dataset=dict(indices=50))
test_dataloader = dict(dataset=dict(indices=50))
train_cfg = dict(max_epochs=2, val_interval=1)
default_hooks = dict(
    checkpoint=dict(interval=1, max_keep_ckpts=-1),
    logger=dict(interval=1),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=True, end=1, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', by_epoch=True, begin=1, end=4, convert_to_iter_based=True),
]
"""
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """Undo what the tools set in the environment of their process."""
    for name in ('TORCH_FORCE_WEIGHTS_ONLY_LOAD', 'LOCAL_RANK', 'RCL_MM_TRACEBACK'):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def tool():
    """Call a tool as its script does: ``tool('train', config, '--resume')`` -> exit code.

    Each call gets an experiment name of its own: MMEngine keeps loggers and message hubs by name
    and second, and two runs in one process must not share them.
    """

    def call(kind, config, *arguments, options=()):
        options = [f'experiment_name=run{next(_numbers)}', *options]
        return main(kind, [str(config), *map(str, arguments), '--cfg-options', *options])

    return call


@pytest.fixture
def write_config(tmp_path):
    """Write a config that inherits a real one and changes a few settings."""

    def write(changes='', base=RCL_DIGITS, name='config.py'):
        path = tmp_path / name
        path.write_text(f'_base_ = {str(base)!r}\n{SMALL}{changes}')
        return path

    return write
