"""CIFAR-100-LT: a run starts, ends, is tested and goes on from folders of PNG files."""

import json

import numpy as np
import pytest
from small_images import write_cifar_folders

from rcl_mm.datasets import CIFARLT, long_tailed_counts
from rcl_mm.runtime.checkpoint import load_checkpoint_file

from .catalogue import ROOT
from .tools import run_tool

COUNTS = long_tailed_counts(100, 4, 2)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Small folders with a long tail of their own."""
    monkeypatch.setattr(CIFARLT, 'TOTALS', dict(train=400, test=100))
    return write_cifar_folders(tmp_path / 'cifar100', 100, COUNTS, 1)


def test_trains_tests_and_resumes_from_folders(folders, tmp_path) -> None:
    config, run = ROOT / 'configs/rcl/resnet32_cifar100_lt.py', tmp_path / 'run'
    options = {
        'data_root': folders,
        'imbalance_factor': 2,
        'train_dataloader.batch_size': 128,
        'train_cfg.max_epochs': 1,
        'default_hooks.logger.interval': 1,
        'model.backbone.depth': 8,
    }
    run_tool('train', config, '--work-dir', run, options=options)
    checkpoint = load_checkpoint_file(run / 'epoch_1.pth')
    assert checkpoint['meta']['iter'] == -(-COUNTS.sum() // 128)
    assert checkpoint['meta']['dataset_meta']['class_counts'] == COUNTS.tolist()
    options['train_cfg.max_epochs'] = 2
    run_tool('train', config, '--work-dir', run, '--resume', options=options)
    lines = [f.read_text().splitlines() for f in run.glob('*/vis_data/scalars.json')]
    losses = [json.loads(line)['loss'] for lines in lines for line in lines if 'loss' in line]
    assert len(losses) == 2 * checkpoint['meta']['iter'] and np.isfinite(losses).all()
    metrics = tmp_path / 'metrics.json'
    where = ('--work-dir', tmp_path / 'test', '--out', metrics, '--out-item', 'metrics')
    run_tool('test', config, run / 'epoch_2.pth', *where, options=options)
    figures = json.loads(metrics.read_text())
    assert figures['long_tail/top1'] == figures['long_tail/balanced']
