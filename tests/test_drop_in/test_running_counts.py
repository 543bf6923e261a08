"""Class counts in a training script that knows nothing of this package but its import."""

import itertools

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.runner import Runner
from small_images import write_digits

from rcl_mm.runtime.running_counts import class_counts_of_run

_numbers = itertools.count()
CONFIG = """
default_scope = 'mmpretrain'
custom_imports = dict(imports='rcl_mm')
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3),
    backbone=dict(type='CIFARResNet', depth=8),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead', num_classes={classes}, in_channels=64, loss=dict(type='RCLLoss')
    ),
)
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    dataset={dataset},
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
)
train_cfg = dict(by_epoch=True, max_epochs=1)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01))
"""
PIPELINE = (
    "[dict(type='LoadImageFromFile'), dict(type='Resize', scale=32), dict(type='PackInputs')]"
)
FOLDERS = f"dict(type='CustomDataset', data_prefix='{{root}}', pipeline={PIPELINE})"


def run(tmp_path, dataset, classes):
    """A run as MMPretrain's own script makes it: no hook of this package, no tool of it."""
    cfg = Config.fromstring(CONFIG.format(dataset=dataset, classes=classes), '.py')
    cfg.work_dir = str(tmp_path / 'work')
    cfg.experiment_name = f'running_counts{next(_numbers)}'
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner.model.head.loss_module


@pytest.fixture
def root(tmp_path):
    return write_digits(tmp_path / 'images', dict(a=5, b=3, c=1))


class TestClassCountsOfRun:
    def test_folders_of_classes(self, tmp_path, root):
        loss = run(tmp_path, FOLDERS.format(root=root), classes=3)
        assert loss.class_counts_known and loss.class_counts.tolist() == [5, 3, 1]

    def test_wrapped(self, tmp_path, root):
        inner = FOLDERS.format(root=root)
        dataset = f"dict(type='ConcatDataset', datasets=[{inner}, {inner}])"
        assert run(tmp_path, dataset, classes=3).class_counts.tolist() == [10, 6, 2]

    def test_repeating_wrapper_of_a_set_that_says_its_counts(self, tmp_path):
        """The counts in the meta information are of images, the loss needs what is drawn."""
        inner = (
            "dict(type='DigitsLT', split='train', imbalance_factor=8, img_max=8, "
            "pipeline=[dict(type='PackInputs')])"
        )
        dataset = f"dict(type='ClassBalancedDataset', oversample_thr=0.2, dataset={inner})"
        counts = run(tmp_path, dataset, classes=10).class_counts
        assert counts[0] == 8 and counts[-1] > 1

    def test_data_set_that_says_its_counts(self, tmp_path):
        dataset = (
            "dict(type='DigitsLT', split='train', imbalance_factor=8, img_max=8, "
            "pipeline=[dict(type='PackInputs')])"
        )
        counts = run(tmp_path, dataset, classes=10).class_counts
        assert counts[0] == 8 and counts[-1] == 1 and (counts > 0).all()

    @pytest.mark.parametrize('classes', [2, 4])
    def test_head_of_another_number_of_classes(self, tmp_path, root, classes):
        message = f'class_counts has 3 entries, but the scores have {classes} classes'
        with pytest.raises(ValueError, match=message):
            run(tmp_path, FOLDERS.format(root=root), classes=classes)

    def test_no_run(self):
        hub = MessageHub.get_instance(f'running_counts{next(_numbers)}')
        assert hub.get_info('loop_stage') is None
        assert class_counts_of_run(3) is None

    def test_run_that_is_over(self, tmp_path, root):
        """Counts of an earlier run in the process are not taken for those of this model."""
        run(tmp_path, FOLDERS.format(root=root), classes=3)
        assert class_counts_of_run(3) is None

    def test_config_is_read_as_data(self, tmp_path):
        """A resumed run has the config's text from its checkpoint: it must not be executed."""
        hub = MessageHub.get_instance(f'running_counts{next(_numbers)}')
        marker = tmp_path / 'executed'
        hub.update_info('loop_stage', 'train')
        hub.update_info('cfg', f"import pathlib\npathlib.Path('{marker}').touch()")
        assert class_counts_of_run(3) is None
        assert not marker.exists()

    def test_loss_without_a_run_says_what_to_do(self):
        from mmengine.registry import MODELS

        MessageHub.get_instance(f'running_counts{next(_numbers)}')
        loss = MODELS.build(dict(type='RCLLoss'))
        with pytest.raises(ValueError, match='does not know the class counts yet: give'):
            loss(torch.zeros(2, 3), torch.tensor([0, 1]))

    def test_counts_are_int64(self, tmp_path, root):
        hub = MessageHub.get_instance(f'running_counts{next(_numbers)}')
        hub.update_info('loop_stage', 'train')
        hub.update_info('dataset_meta', dict(class_counts=[4, 2]))
        counts = class_counts_of_run(3)
        assert counts.dtype == np.int64 and counts.tolist() == [4, 2, 0]
