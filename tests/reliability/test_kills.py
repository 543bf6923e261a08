"""kill -9 at random moments: --resume ends with what an undisturbed run ends with."""

import os
import random
import signal
import time

import pytest

from .processes import children, finish, ranks, trained_iterations, wait_until
from .same_run import checkpoint_differences, logged

LAST = 'epoch_4.pth'
OPTIONS = ['train_dataloader.num_workers=2', 'train_dataloader.persistent_workers=True']
KILL = signal.SIGKILL


@pytest.fixture
def kill_and_resume(start, project):
    """Kill something at a moment, resume to the end, and compare with an undisturbed run."""

    def call(work_dir, victim, iterations, delay=0.0, options=OPTIONS, **settings):
        process = start(work_dir, *options, **settings)
        folder = project / work_dir
        wait_until(lambda: trained_iterations(folder) >= iterations, process)
        time.sleep(delay)
        pid = victim(process.pid)
        if pid is not None and process.poll() is None:
            os.kill(pid, KILL)
        code = finish(process)
        settings.pop('environment', None)
        resumed = start(work_dir, *options, '--resume', **settings)
        assert finish(resumed) == 0, resumed.errors[-3000:]
        return code

    return call


def the_main_process(pid):
    return pid


def a_worker(pid):
    """A data loading process, if there is one at this moment."""
    return next(iter(children(pid)), None)


def one_rank(pid):
    return ranks(pid)[-1]


def assert_equal(project, one, other, last=LAST):
    assert checkpoint_differences(project / one / last, project / other / last) == []
    assert logged(project / one) == logged(project / other)


class TestKills:
    def test_main_process__in_training(self, train, kill_and_resume, project):
        assert train('straight', *OPTIONS) == 0
        assert kill_and_resume('killed', the_main_process, iterations=8) == -KILL
        assert_equal(project, 'straight', 'killed')

    def test_main_process__while_a_checkpoint_is_written(self, train, start, project):
        """The new file has its contents but not its name; with one kept, the old one is there."""
        options = ['default_hooks.checkpoint.max_keep_ckpts=1']
        assert train('straight', *options) == 0
        process = start('killed', *options, environment={'SLOW_SAVE': str(project)})
        # Each file is synced, then its folder: files 0 and 2 are of the first epoch's checkpoint
        # and the note of it, 4 is the best one's, 6 and 8 are written again after it.
        wait_until((project / 'saving_10').exists, process)
        process.kill()
        assert finish(process) == -KILL
        names = os.listdir(project / 'killed')
        assert [name for name in names if name.startswith('.unfinished')]
        assert 'epoch_1.pth' in names and 'epoch_2.pth' not in names
        assert finish(start('killed', *options, '--resume')) == 0
        assert_equal(project, 'straight', 'killed')
        assert not [name for name in os.listdir(project / 'killed') if name.startswith('.')]

    def test_worker__ends_the_run_with_one_line(self, train, start, project):
        assert train('straight', *OPTIONS) == 0
        process = start('killed', *OPTIONS)
        wait_until(lambda: trained_iterations(project / 'killed') >= 6, process)
        os.kill(a_worker(process.pid), KILL)
        assert finish(process) == 1
        assert 'error: DataLoader worker' in process.errors and '--resume' in process.errors
        assert 'Traceback' not in process.errors
        assert finish(start('killed', *OPTIONS, '--resume')) == 0
        assert_equal(project, 'straight', 'killed')


@pytest.mark.slow
class TestManyKills:
    """Twenty random moments: in training, between epochs, while saving, while validating."""

    def test_main_process_or_a_worker__at_random_moments(self, train, kill_and_resume, project):
        moments = random.Random(20231204)
        assert train('straight', *OPTIONS) == 0
        for number in range(16):
            victim = the_main_process if number % 4 else a_worker
            # Half of the runs spend most of their time in saving.
            slow = {'environment': {'SLOW_SAVE': str(project)}} if number % 2 else {}
            work_dir = f'killed_{number}'
            iterations, delay = moments.randrange(1, 19), moments.random() * (4 if slow else 0.3)
            kill_and_resume(work_dir, victim, iterations, delay, **slow)
            assert_equal(project, 'straight', work_dir)

    def test_one_rank_of_two__at_random_moments(self, start, kill_and_resume, project):
        moments = random.Random(20231205)
        process = start('straight', *OPTIONS, ranks=2)
        assert finish(process) == 0, process.errors[-3000:]
        for number in range(4):
            work_dir, delay = f'killed_{number}', moments.random() * 0.3  # well within the run
            # 9 batches of 8 on each rank in an epoch; the logged ones are those of rank 0.
            code = kill_and_resume(work_dir, one_rank, moments.randrange(1, 9), delay, ranks=2)
            assert code != 0
            assert_equal(project, 'straight', work_dir)
