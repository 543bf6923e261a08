"""One training run at a time in a folder."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rcl_mm.runtime import run_lock
from rcl_mm.runtime.run_lock import (
    LOCK_NAME,
    FolderTakenError,
    give_back_folder,
    hold_folder,
)

# Holds a folder as another run does, and leaves a child behind, as a data loader's worker may be.
HOLDER = """
import fcntl, json, os, sys, time
file = open(sys.argv[1] + "/run.lock", "w")
fcntl.lockf(file, fcntl.LOCK_EX)
file.write(json.dumps(dict(pid=os.getpid(), host=os.uname().nodename, since="2026-01-01 00:00:00")))
file.flush()
child = os.fork()
if child:
    print(child, flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds ``tmp_path``, and the child that it forked."""
    process = subprocess.Popen(
        [sys.executable, '-c', HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    child = int(process.stdout.readline())
    yield process
    process.kill()
    process.wait()
    os.kill(child, signal.SIGKILL)


class TestHoldFolder:
    def test_second_run__is_refused_in_one_line_until_the_first_is_killed(self, tmp_path, holder):
        for _ in range(2):
            with pytest.raises(FolderTakenError) as refused:
                hold_folder(str(tmp_path))
        line = str(refused.value)
        assert f'process {holder.pid} on {os.uname().nodename}, since 20' in line
        assert str(tmp_path) in line and '--work-dir' in line and '\n' not in line
        holder.kill()
        holder.wait()
        # At once, though its child is alive.
        hold_folder(str(tmp_path))
        give_back_folder(str(tmp_path))

    def test_same_process__once_more_and_after_giving_back(self, tmp_path):
        folder = str(tmp_path / 'new')
        for _ in range(2):
            hold_folder(folder)
            hold_folder(folder)
            give_back_folder(folder)
            give_back_folder(folder)
            assert (Path(folder) / LOCK_NAME).read_text() == ''
        assert os.listdir(folder) == [LOCK_NAME]

    def test_says_who_holds_it(self, tmp_path):
        hold_folder(str(tmp_path))
        # By another process: closing the file in this one would give the lock back.
        text = subprocess.check_output(['cat', str(tmp_path / LOCK_NAME)])
        holder = json.loads(text)
        assert holder['pid'] == os.getpid() and holder['since'].startswith('20')
        give_back_folder(str(tmp_path))

    @pytest.mark.parametrize('code', [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
    def test_file_system_without_locks__one_warning(self, tmp_path, monkeypatch, code):
        said = []

        def no_locks(*_):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(fcntl, 'lockf', no_locks)
        monkeypatch.setattr(run_lock, 'print_log', lambda text, *_: said.append(text))
        hold_folder(str(tmp_path))
        assert len(said) == 1 and 'without locks' in said[0]
