"""Any config gets the parts with which a run survives."""

import pytest
from mmengine.config import Config
from mmengine.hooks import CheckpointHook
from mmengine.runner import IterBasedTrainLoop

from rcl_mm.cli.survival import survives, use_resumable_parts


def used(**settings):
    cfg = Config(settings)
    use_resumable_parts(cfg)
    return cfg


class TestUseResumableParts:
    @pytest.mark.parametrize(
        ('train_cfg', 'expected'),
        [
            (dict(max_epochs=3), 'ResumableEpochBasedTrainLoop'),
            (dict(by_epoch=True, max_epochs=3), 'ResumableEpochBasedTrainLoop'),
            (dict(by_epoch=False, max_iters=3), 'ResumableIterBasedTrainLoop'),
            (dict(type='EpochBasedTrainLoop'), 'ResumableEpochBasedTrainLoop'),
            (dict(type='mmengine.IterBasedTrainLoop'), 'ResumableIterBasedTrainLoop'),
            (dict(type=IterBasedTrainLoop), 'ResumableIterBasedTrainLoop'),
            (dict(type='MyLoop'), 'MyLoop'),
        ],
    )
    def test_loop(self, train_cfg, expected):
        train_cfg = used(train_cfg=train_cfg).train_cfg
        assert train_cfg.type == expected
        # The runner refuses both in one config.
        assert 'by_epoch' not in train_cfg

    @pytest.mark.parametrize('kind', ['CheckpointHook', 'mmengine.CheckpointHook', CheckpointHook])
    def test_checkpoint_hook__keeps_its_settings(self, kind):
        hook = dict(type=kind, interval=5, save_best='auto')
        cfg = used(default_hooks=dict(checkpoint=hook), custom_hooks=[dict(type='MyHook')])
        expected = dict(type='AtomicCheckpointHook', interval=5, save_best='auto')
        assert cfg.default_hooks.checkpoint == expected
        assert cfg.custom_hooks[0].type == 'MyHook'

    def test_no_checkpoint_hook_named__the_runner_would_add_its_own(self):
        assert used().default_hooks.checkpoint.type == 'AtomicCheckpointHook'

    def test_removed_hook__stays_removed(self):
        assert used(default_hooks=dict(checkpoint=None)).default_hooks.checkpoint is None


class TestSurvives:
    def test_only_with_the_usual_runner(self):
        assert survives(Config())
        assert survives(Config(dict(runner_type='Runner')))
        assert not survives(Config(dict(runner_type='FlexibleRunner')))
