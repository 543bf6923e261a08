"""CIFAR-10 (JPEG): runs start from the archive's layout, cifar10_jpeg/{train,test}/<class>/."""

import json

import cv2
import numpy as np
import pytest
from mmpretrain.datasets.categories import CIFAR10_CATEGORIES

from rcl_mm.runtime.checkpoint import load_checkpoint_file

from .catalogue import ROOT
from .tools import run_tool

TRAINING_IMAGES, TEST_IMAGES = 12, 2


@pytest.fixture(scope='module')
def archive(tmp_path_factory):
    """A few small JPEGs per class where the archive of CIFAR-10 (JPEG) unpacks them."""
    root = tmp_path_factory.mktemp('data') / 'cifar10_jpeg'
    random = np.random.RandomState(0)
    for label, name in enumerate(CIFAR10_CATEGORIES):
        for split, number in (('train', TRAINING_IMAGES), ('test', TEST_IMAGES)):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(number):
                image = random.randint(0, 128, (32, 32, 3), dtype=np.uint8)
                image[3 * label : 3 * label + 5] += 127
                cv2.imwrite(str(folder / f'{i:04d}.jpg'), image)
    return root


@pytest.mark.parametrize(
    'name',
    [
        'rcl/resnet32_cifar10_jpeg_lt',
        'ldam_drw/resnet32_cifar10_jpeg_lt_resident',
        'rcl/resnet32_cifar10_jpeg_lt_standalone_resident',
    ],
)
def test_trains_and_tests_from_the_layout_of_the_archive(name, archive, tmp_path) -> None:
    config = ROOT / 'configs' / f'{name}.py'
    options = {
        'data_root': archive,
        'imbalance_factor': 4,
        'train_dataloader.batch_size': 16,
        'train_dataloader.num_workers': 0,
        'test_dataloader.num_workers': 0,
        'train_cfg.max_epochs': 1,
        'default_hooks.logger.interval': 1,
        'model.backbone.depth': 8,
    }
    if 'ldam' in name:
        options['custom_hooks.1.begin'] = 0
    run_tool('train', config, '--work-dir', tmp_path / 'run', options=options)
    scalars = next(tmp_path.glob('run/*/vis_data/scalars.json')).read_text().splitlines()
    steps = [json.loads(line) for line in scalars if 'loss' in line]
    # int(12 * 4^(-c / 9)) images of class c.
    counts = [int(12 * 4 ** (-label / 9)) for label in range(10)]
    assert len(steps) == -(-sum(counts) // 16)
    assert all(np.isfinite(step['loss']) for step in steps)
    checkpoint = load_checkpoint_file(tmp_path / 'run/epoch_1.pth')
    assert checkpoint['meta']['dataset_meta']['class_counts'] == counts
    assert checkpoint['meta']['dataset_meta']['classes'] == tuple(CIFAR10_CATEGORIES)
    metrics = tmp_path / 'metrics.json'
    run_tool(
        'test',
        config,
        tmp_path / 'run/epoch_1.pth',
        '--work-dir',
        tmp_path / 'test',
        '--out',
        metrics,
        '--out-item',
        'metrics',
        options=options,
    )
    figures = json.loads(metrics.read_text())
    # All classes are few-shot here, and the test split is balanced.
    assert figures['long_tail/top1'] == figures['long_tail/balanced'] == figures['long_tail/few']
