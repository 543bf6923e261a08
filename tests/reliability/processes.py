"""Watching and ending processes of training."""

import signal
import time
from pathlib import Path
from typing import Callable, List

PATIENCE = 240


def children(pid: int) -> List[int]:
    """Direct children of a process."""
    try:
        return [
            int(child) for child in Path(f'/proc/{pid}/task/{pid}/children').read_text().split()
        ]
    except FileNotFoundError:
        return []


def ranks(launcher_pid: int) -> List[int]:
    """The training processes that torchrun started."""
    return [pid for pid in children(launcher_pid) if b'train.py' in command_line(pid)]


def command_line(pid: int) -> bytes:
    """Command line of a process."""
    try:
        return Path(f'/proc/{pid}/cmdline').read_bytes()
    except FileNotFoundError:
        return b''


def trained_iterations(work_dir: Path) -> int:
    """Iterations that the log of the newest run in a work dir has."""
    logs = sorted(work_dir.glob('*/vis_data/scalars.json'), key=lambda f: f.stat().st_mtime)
    return logs[-1].read_text().count('"lr"') if logs else 0


def wait_until(condition: Callable[[], bool], process) -> None:
    """Wait for something that a process does; fail if it ends before."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if process.poll() is not None and not condition():
            raise AssertionError(
                f'ended with {process.returncode}: {process.stderr.read()[-2000:]}'
            )
        if time.monotonic() > deadline:
            process.send_signal(signal.SIGKILL)
            raise AssertionError(f'nothing happened in {PATIENCE} seconds')
        time.sleep(0.01)


def finish(process) -> int:
    """Wait for the end; returns the exit code."""
    _, process.errors = process.communicate(timeout=PATIENCE)
    return process.returncode
