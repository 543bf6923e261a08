"""Training straight through, and stopped and resumed on the way: equal to the last bit."""

import pytest

from .same_run import checkpoint_differences, logged

ITERATIONS = [
    'default_hooks.checkpoint.by_epoch=False',
    'default_hooks.checkpoint.interval=3',
    'default_hooks.checkpoint.save_best=None',
]


def die(stage, at):
    """Options with which the run ends as by a kill when so many iterations are done."""
    return [f'custom_hooks.1.stage={stage}', f'custom_hooks.1.at={at}']


@pytest.fixture
def interrupted(train):
    """Train until a hook ends the run, then resume."""

    def call(work_dir, *options, stage='before_train_iter', at):
        with pytest.raises(SystemExit):
            train(work_dir, *options, *die(stage, at))
        assert train(work_dir, *options, '--resume') == 0

    return call


def append(project, *lines):
    """Add lines to the config."""
    with open(project / 'config.py', 'a') as file:
        file.write('\n'.join([*lines, '']))


def assert_same_run(one, other, checkpoint):
    assert checkpoint_differences(one / checkpoint, other / checkpoint) == []
    assert logged(one) == logged(other)
    assert len(logged(one)) > 10


class TestEpochCheckpoints:
    """Warm-up, cosine, EMA, dropout, best checkpoint: all in the config."""

    @pytest.mark.parametrize('workers', [0, 2])
    def test_shorter_run_made_longer(self, train, project, workers):
        options = [f'train_dataloader.num_workers={workers}']
        assert train('straight', *options) == 0
        assert train('resumed', *options, 'train_cfg.max_epochs=2') == 0
        assert train('resumed', *options, '--resume') == 0
        assert_same_run(project / 'straight', project / 'resumed', 'epoch_4.pth')

    def test_killed_inside_an_epoch__it_is_done_again(self, train, interrupted, project):
        assert train('straight') == 0
        interrupted('resumed', at=13)
        assert_same_run(project / 'straight', project / 'resumed', 'epoch_4.pth')

    def test_killed_before_the_validation__it_is_made_up_for(self, train, interrupted, project):
        """Otherwise the log and the choice of the best checkpoint would miss it."""
        assert train('straight') == 0
        interrupted('resumed', stage='before_val_epoch', at=10)
        assert_same_run(project / 'straight', project / 'resumed', 'epoch_4.pth')
        assert sorted(path.name for path in (project / 'straight').glob('best*')) == sorted(
            path.name for path in (project / 'resumed').glob('best*')
        )

    def test_amp_in_bfloat16(self, train, interrupted, project):
        options = ['--amp', 'optim_wrapper.dtype=bfloat16']
        assert train('straight', *options) == 0
        interrupted('resumed', *options, at=13)
        assert_same_run(project / 'straight', project / 'resumed', 'epoch_4.pth')
        assert logged(project / 'straight') != {}

    def test_other_number_of_workers__changes_nothing(self, train, project):
        assert train('none', 'train_dataloader.num_workers=0') == 0
        assert train('two', 'train_dataloader.num_workers=2', 'train_cfg.max_epochs=2') == 0
        assert train('two', 'train_dataloader.num_workers=1', '--resume') == 0
        assert_same_run(project / 'none', project / 'two', 'epoch_4.pth')


class TestIterationCheckpoints:
    @pytest.mark.parametrize(
        ('workers', 'at'),
        [
            # After 8 iterations the newest checkpoint is that of iteration 6, the 1st of epoch 2.
            (0, 8),
            (2, 14),
            # The checkpoint of iteration 15 is at the end of epoch 3, before it is counted.
            (0, 16),
        ],
    )
    def test_epoch_based_training(self, train, interrupted, project, workers, at):
        options = [*ITERATIONS, f'train_dataloader.num_workers={workers}']
        assert train('straight', *options) == 0
        interrupted('resumed', *options, at=at)
        assert_same_run(project / 'straight', project / 'resumed', 'iter_20.pth')

    def test_amp_in_bfloat16(self, train, interrupted, project):
        options = [*ITERATIONS, '--amp', 'optim_wrapper.dtype=bfloat16']
        assert train('straight', *options) == 0
        interrupted('resumed', *options, at=11)
        assert_same_run(project / 'straight', project / 'resumed', 'iter_20.pth')

    @pytest.mark.parametrize('infinite', [True, False])
    @pytest.mark.parametrize('workers', [0, 2])
    def test_iteration_based_training(self, train, interrupted, project, workers, infinite):
        append(
            project,
            'train_cfg = dict(_delete_=True, by_epoch=False, max_iters=14, val_interval=4)',
            'param_scheduler = [dict(type="CosineAnnealingLR", by_epoch=False, end=14)]',
        )
        options = [
            *ITERATIONS,
            'log_processor.by_epoch=False',
            f'train_dataloader.sampler.infinite={infinite}',
            f'train_dataloader.num_workers={workers}',
        ]
        assert train('straight', *options) == 0
        interrupted('resumed', *options, at=8)
        assert_same_run(project / 'straight', project / 'resumed', 'iter_14.pth')

    def test_stock_sampler_and_transforms__without_workers(self, train, interrupted, project):
        """Batches are read and thrown away then, and draw from the process's own states."""
        append(
            project,
            'stock = dict(_delete_=True, type="DefaultSampler", shuffle=True)',
            'train_dataloader["sampler"] = stock',
            'crop = dict(type="RandomResizedCrop", scale=32)',
            'train_dataloader["dataset"]["pipeline"] = [',
            '    dict(type="MultiView", num_views=[2], transforms=[[crop, dict(type="RandomFlip",',
            '         prob=0.5)]]), dict(type="PackInputs")]',
        )
        assert train('straight', *ITERATIONS) == 0
        interrupted('resumed', *ITERATIONS, at=8)
        assert_same_run(project / 'straight', project / 'resumed', 'iter_20.pth')


@pytest.fixture
def in_memory(project):
    """Images in memory; their views are made on the device."""
    append(
        project,
        'train_dataloader["dataset"] = dict(_delete_=True, type="ResidentDataset", dataset=dict(',
        '    type="DigitsLT", split="train", img_max=16, imbalance_factor=6, pipeline=[]))',
        'train_dataloader["collate_fn"] = dict(type="resident_collate")',
        'model["data_preprocessor"] = dict(view_augments=[dict(type="DigitsAugment")] * 2)',
    )


class TestViewsAhead:
    """Views made many batches at a time, stopped inside such a block: as batch by batch."""

    OPTIONS = [*ITERATIONS, 'model.data_preprocessor.ahead_bytes=0']
    AHEAD = [*ITERATIONS, 'model.data_preprocessor.ahead_bytes=100000000']

    @pytest.mark.parametrize(('workers', 'at'), [(0, 8), (2, 14), (0, 16)])
    def test_epoch_based_training(self, train, interrupted, project, in_memory, workers, at):
        assert train('straight', *self.OPTIONS) == 0
        interrupted('resumed', *self.AHEAD, f'train_dataloader.num_workers={workers}', at=at)
        assert_same_run(project / 'straight', project / 'resumed', 'iter_20.pth')

    @pytest.mark.parametrize('infinite', [True, False])
    def test_iteration_based_training(self, train, interrupted, project, in_memory, infinite):
        append(
            project,
            'train_cfg = dict(_delete_=True, by_epoch=False, max_iters=14, val_interval=4)',
            'param_scheduler = [dict(type="CosineAnnealingLR", by_epoch=False, end=14)]',
        )
        more = ['log_processor.by_epoch=False', f'train_dataloader.sampler.infinite={infinite}']
        assert train('straight', *self.OPTIONS, *more) == 0
        interrupted('resumed', *self.AHEAD, *more, at=8)
        assert_same_run(project / 'straight', project / 'resumed', 'iter_14.pth')

    def test_gradient_accumulation(self, train, interrupted, project, in_memory):
        more = ['optim_wrapper.accumulative_counts=3']
        assert train('straight', *self.OPTIONS, *more) == 0
        interrupted('resumed', *self.AHEAD, *more, at=11)
        assert_same_run(project / 'straight', project / 'resumed', 'iter_20.pth')
