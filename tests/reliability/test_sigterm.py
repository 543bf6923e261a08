"""SIGTERM, as Slurm sends it: a checkpoint, exit code 143, and --resume goes on exactly there."""

import os
import signal

import pytest

from rcl_mm.engine.hooks.stop_signal import EXIT_STOPPED
from rcl_mm.runtime.checkpoint import load_checkpoint_file

from .processes import finish, trained_iterations, wait_until
from .same_run import checkpoint_differences, logged

LAST = 'epoch_4.pth'


def stop(start, project, *options, at, whole_group=False, **settings):
    """Train, send SIGTERM when so many iterations are logged; returns the finished process."""
    process = start('stopped', *options, **settings)
    wait_until(lambda: trained_iterations(project / 'stopped') >= at, process)
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGTERM)
    finish(process)
    return process


class TestSigterm:
    @pytest.mark.parametrize('whole_group', [False, True])
    def test_inside_an_epoch__goes_on_with_the_next_batch(self, train, start, project, whole_group):
        """A scheduler sends the signal to all processes, also to those that load data."""
        options = ['train_dataloader.num_workers=2']
        assert train('straight', *options) == 0
        process = stop(start, project, *options, at=7, whole_group=whole_group)
        assert process.returncode == EXIT_STOPPED
        assert 'Traceback' not in process.errors
        saved = load_checkpoint_file(project / 'stopped/interrupted.pth')
        assert saved['meta']['iter'] >= 7
        log = next((project / 'stopped').glob('*/*.log')).read_text()
        assert f'stopped by SIGTERM after iteration {saved["meta"]["iter"]}: saved' in log

        assert train('stopped', *options, '--resume') == 0
        one, other = project / 'straight' / LAST, project / 'stopped' / LAST
        assert checkpoint_differences(one, other) == []
        assert logged(project / 'straight') == logged(project / 'stopped')
        assert not (project / 'stopped/interrupted.pth').exists()

    @pytest.mark.slow
    def test_two_ranks__stop_together(self, start, project):
        assert finish(start('straight', ranks=2)) == 0
        process = stop(start, project, at=4, whole_group=True, ranks=2)
        assert process.returncode != 0
        # They agree at every tenth iteration and between epochs.
        assert load_checkpoint_file(project / 'stopped/interrupted.pth')['meta']['iter'] in (
            6,
            9,
            10,
        )
        assert finish(start('stopped', '--resume', ranks=2)) == 0
        one, other = project / 'straight' / LAST, project / 'stopped' / LAST
        assert checkpoint_differences(one, other) == []

    def test_gradient_accumulation__stops_after_the_step(self, start, project):
        """A checkpoint does not hold the gradients of half a step."""
        process = stop(start, project, 'optim_wrapper.accumulative_counts=4', at=5)
        assert process.returncode == EXIT_STOPPED
        iteration = load_checkpoint_file(project / 'stopped/interrupted.pth')['meta']['iter']
        assert iteration % 4 == 0
