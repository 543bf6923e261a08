"""Two runs in one work dir: the second is refused, and may begin once the first is gone."""

import subprocess
import sys

import pytest

from .processes import wait_until

HOLDER = """
import fcntl, sys
file = open(sys.argv[1] + "/run.lock", "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("holds", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hold():
    """Hold a folder in another process, as a run of another work dir may."""
    holders = []

    def call(folder):
        folder.mkdir(parents=True)
        holder = subprocess.Popen(
            [sys.executable, '-c', HOLDER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        holders.append(holder)
        assert holder.stdout.readline() == b'holds\n'

    yield call
    for holder in holders:
        holder.kill()
        holder.communicate()


class TestSecondRun:
    def test_refused_while_the_first_is_alive__and_resumes_after_kill_9(
        self, start, train, project, capsys
    ):
        keep_two = 'default_hooks.checkpoint.max_keep_ckpts=2'
        first = start('work', 'train_cfg.max_epochs=300', keep_two)
        work_dir = project / 'work'
        wait_until(lambda: list(work_dir.glob('epoch_*.pth')), first)
        capsys.readouterr()
        # Another process is about to finish this file.
        (work_dir / '.unfinished-1234-epoch_999.pth').touch()
        assert train('work') == 1
        error = capsys.readouterr().err
        assert f'{work_dir} is taken: process {first.pid} on ' in error
        assert 'Traceback' not in error and len(error.strip().splitlines()) == 1
        assert (work_dir / '.unfinished-1234-epoch_999.pth').exists()
        first.kill()
        first.wait()
        assert train('work', '--resume', 'train_cfg.max_epochs=4') == 0
        assert not (work_dir / '.unfinished-1234-epoch_999.pth').exists()

    def test_folder_of_checkpoints_that_two_work_dirs_share(self, train, project, capsys, hold):
        hold(project / 'shared/work')
        assert train('work', f'default_hooks.checkpoint.out_dir={project}/shared') == 1
        assert f'{project}/shared/work is taken: another run' in capsys.readouterr().err
        assert not list((project / 'shared/work').glob('*.pth'))
