"""ResumeStateHook where a run goes on under other circumstances than it had."""

import logging
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import CheckpointHook
from mmengine.runner import EpochBasedTrainLoop
from torch.utils.data import DataLoader

from rcl_mm.engine.hooks.resume import (
    ResumeStateHook,
    checkpoint_folder,
    ends_an_optimizer_step,
    warn_of_extended_schedules,
)
from rcl_mm.engine.loops import ResumableEpochBasedTrainLoop
from rcl_mm.engine.random_states import get_random_states
from rcl_mm.engine.rank_buffers import differing_buffers, own_buffers, set_buffers


def make_loop(kind=ResumableEpochBasedTrainLoop):
    """A loop over 5 batches of 2, without a runner."""
    loop = kind.__new__(kind)
    loop.dataloader = DataLoader(list(range(10)), batch_size=2)
    return loop


def make_runner(loop, **settings):
    return SimpleNamespace(
        train_loop=loop, _train_loop=loop, world_size=1, rank=0, seed=0,
        logger=logging.getLogger('test'), **settings,
    )  # fmt: skip


def state(**changes):
    values = dict(
        version=1,
        random_states=[get_random_states()],
        batches_done=3,
        validated=False,
        world_size=1,
        batch_size=2,
        batches_in_epoch=5,
        iter=8,
        epoch=1,
    )
    return {**values, **changes}


class TestRestore:
    def test_position_and_random_states(self):
        saved = state()
        expected = torch.rand(3)
        loop = make_loop()
        ResumeStateHook()._restore(make_runner(loop), saved)
        assert loop.first_batch == 3
        # Inside an epoch there is no validation to make up for.
        assert loop.validated
        assert torch.equal(torch.rand(3), expected)

    def test_end_of_an_epoch__validation_is_made_up_for(self):
        loop = make_loop()
        ResumeStateHook()._restore(make_runner(loop), state(batches_done=0))
        assert (loop.first_batch, loop.validated) == (0, False)

    @pytest.mark.parametrize(
        'change', [dict(batch_size=4), dict(world_size=2), dict(batches_in_epoch=6)]
    )
    def test_other_layout_inside_an_epoch__is_refused(self, change):
        with pytest.raises(ValueError, match='middle of epoch 2: .* resume with the same') as error:
            ResumeStateHook()._restore(make_runner(make_loop()), state(**change))
        assert '(1, 2, 5)' in str(error.value)

    def test_other_layout_at_the_end_of_an_epoch__is_fine(self):
        loop = make_loop()
        ResumeStateHook()._restore(make_runner(loop), state(batch_size=4, batches_done=0))
        assert loop.first_batch == 0

    def test_other_number_of_processes__is_said(self, caplog):
        saved = state(random_states=[{}, {}], batches_done=0)
        with caplog.at_level('WARNING'):
            ResumeStateHook()._restore(make_runner(make_loop()), saved)
        assert 'random states of 2 processes, this run has 1' in caplog.text

    @pytest.mark.parametrize(('iteration', 'expected'), [(8, 3), (5, 0), (10, 5), (40, 0)])
    def test_checkpoint_of_mmengine__position_follows_from_the_iteration(self, iteration, expected):
        loop = make_loop()
        ResumeStateHook()._restore(make_runner(loop), dict(iter=iteration, epoch=1))
        assert loop.first_batch == expected

    def test_loop_that_can_not_begin_inside__is_said(self, caplog):
        with caplog.at_level('WARNING'):
            ResumeStateHook()._restore(make_runner(make_loop(EpochBasedTrainLoop)), state())
        assert 'ResumableEpochBasedTrainLoop' in caplog.text


class TestBeforeTrain:
    def test_loaders_draw_from_generators_of_their_own(self):
        """Starting an iterator draws a seed: in a resumed run once more than in a straight one."""
        loop = make_loop()
        hook = ResumeStateHook()
        hook.before_train(make_runner(loop, _val_loop=None))
        before = torch.get_rng_state()
        list(loop.dataloader)
        assert torch.equal(torch.get_rng_state(), before)

    def test_without_it__starting_an_iterator_moves_the_training_states(self):
        loader = make_loop().dataloader
        before = torch.get_rng_state()
        list(loader)
        assert not torch.equal(torch.get_rng_state(), before)


class TestWarnOfExtendedSchedules:
    def test_old_end__is_said(self, caplog):
        scheduler = SimpleNamespace(end=100, by_epoch=True)
        runner = make_runner(None, param_schedulers=[scheduler])
        with caplog.at_level('WARNING'):
            warn_of_extended_schedules(runner, dict(param_schedulers=[dict(end=100)]))
            assert caplog.text == ''
            warn_of_extended_schedules(runner, dict(param_schedulers=[dict(end=50)]))
        assert 'ends after 50 epochs, the config says 100' in caplog.text

    @pytest.mark.parametrize('schedulers', [None, {}, []])
    def test_other_schedulers(self, schedulers):
        runner = make_runner(None, param_schedulers=schedulers)
        warn_of_extended_schedules(runner, dict(param_schedulers=schedulers))


class TestCheckpointFolder:
    def test_own_folder_of_the_hook(self):
        hook = CheckpointHook(out_dir='/checkpoints')
        assert checkpoint_folder(make_runner(None, hooks=[hook], work_dir='/a/run')) == (
            '/checkpoints/run'
        )
        assert checkpoint_folder(make_runner(None, hooks=[], work_dir='/a/run')) == '/a/run'


class TestEndsAnOptimizerStep:
    @pytest.mark.parametrize('ends', [True, False])
    def test_asks_the_wrapper(self, ends):
        wrapper = SimpleNamespace(should_update=lambda: ends)
        assert ends_an_optimizer_step(make_runner(None, optim_wrapper=wrapper)) is ends


class TestRankBuffers:
    def test_only_what_differs_is_kept(self):
        same, own = torch.ones(2), [torch.tensor([0.0]), torch.tensor([1.0])]
        of_ranks = [dict(same=same, own=own[rank]) for rank in range(2)]
        assert differing_buffers(of_ranks) == [{}, {'own': own[1]}]
        assert differing_buffers([dict(same=same), dict(same=same.clone())]) == []
        assert differing_buffers([{}]) == []

    def test_put_back(self):
        runner = make_runner(None, model=torch.nn.BatchNorm1d(2))
        assert own_buffers(runner) == {}
        runner.world_size = 2
        before = own_buffers(runner)
        runner.model.running_mean.fill_(7)
        assert before['running_mean'].tolist() == [0, 0]
        set_buffers(runner, dict(running_mean=torch.tensor([3.0, 4.0])))
        assert runner.model.running_mean.tolist() == [3, 4]
