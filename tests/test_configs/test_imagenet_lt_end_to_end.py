"""The user's own example trains and tests through the tools, on a tiny ImageNet-LT."""

import json
import math
from pathlib import Path

import pytest

from rcl_mm.runtime.checkpoint import load_checkpoint_file

from .fake_imagenet import LABELS, write_fake_imagenet_lt
from .tools import ROOT, run_tool

CONFIG = ROOT / 'configs/rcl/resnext50_imagenet_lt.py'


@pytest.fixture(scope='module')
def run(tmp_path_factory) -> dict:
    """Two epochs from the real config; only sizes, workers and lengths are cut down."""
    folder = tmp_path_factory.mktemp('imagenet_lt')
    data = write_fake_imagenet_lt(folder / 'data')
    options = {}
    for name in ('train', 'val', 'test'):
        options[f'{name}_dataloader.dataset.data_root'] = data
        options[f'{name}_dataloader.num_workers'] = 0
        options[f'{name}_dataloader.batch_size'] = 4
    for name in ('val', 'test'):
        options[f'{name}_dataloader.dataset.pipeline.1.scale'] = 36
        options[f'{name}_dataloader.dataset.pipeline.2.crop_size'] = 32
    options['train_dataloader.dataset.pipeline.1.size'] = 32
    options['model.data_preprocessor.view_size'] = 32
    work_dir = folder / 'run'
    run_tool(
        'train',
        CONFIG,
        '--work-dir',
        work_dir,
        options={
            **options,
            'train_cfg.max_epochs': 2,
            'default_hooks.logger.interval': 1,
            'default_hooks.checkpoint.save_optimizer': False,
        },
    )
    metrics = folder / 'metrics.json'
    run_tool(
        'test',
        CONFIG,
        work_dir / 'epoch_2.pth',
        '--work-dir',
        folder / 'test',
        '--out',
        metrics,
        '--out-item',
        'metrics',
        options=options,
    )
    return dict(work_dir=work_dir, metrics=json.loads(metrics.read_text()))


def scalars(work_dir: Path) -> list:
    lines = next(work_dir.glob('*/vis_data/scalars.json')).read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_training_runs_both_branches(run) -> None:
    steps = [line for line in scalars(run['work_dir']) if 'loss' in line]
    assert len(steps) == 2 * 3  # 11 images in batches of 4
    for step in steps:
        assert step['loss'] == pytest.approx(step['loss_cls'] + step['loss_con'], rel=1e-4)
        # Three views: at the start the classifier's loss is about that of the prior over 4 classes.
        assert 0 < step['loss_con'] and 0 < step['loss_cls'] < 50


def test_learning_rate_follows_the_recipe(run) -> None:
    steps = [line for line in scalars(run['work_dir']) if 'lr' in line]
    for step in steps:
        expected = 0.1 * 0.5 * (1 + math.cos(math.pi * step['epoch'] / 91))
        assert step['lr'] == pytest.approx(expected, rel=1e-6)


def test_last_and_best_checkpoint_are_kept_apart(run) -> None:
    names = sorted(path.name for path in run['work_dir'].glob('*.pth'))
    assert 'epoch_2.pth' in names
    assert sum(name.startswith('best_long_tail_balanced_epoch_') for name in names) == 1
    assert len(names) == 2


def test_checkpoint_carries_the_class_counts(run) -> None:
    checkpoint = load_checkpoint_file(str(run['work_dir'] / 'epoch_2.pth'))
    counts = checkpoint['meta']['dataset_meta']['class_counts']
    assert len(counts) == 1000 and sum(counts) == len(LABELS['train'])
    assert checkpoint['state_dict']['head.loss_module.class_counts'].tolist() == counts


def test_the_test_list_is_evaluated(run) -> None:
    metrics = run['metrics']
    # No class of the tiny training list has 20 images: one group, and the others have no figure.
    assert 'long_tail/few' in metrics
    assert 'long_tail/many' not in metrics and 'long_tail/medium' not in metrics
    # Balanced over the four classes of the test list, each with two images.
    assert metrics['long_tail/balanced'] in (0.0, 12.5, 25.0, 37.5, 50.0, 62.5, 75.0, 87.5, 100.0)
    assert metrics['long_tail/few'] == metrics['long_tail/balanced'] == metrics['long_tail/top1']
