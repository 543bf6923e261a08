"""A worker of a data loader that dies: it is named, and nothing that follows from it."""

import os
import signal
import sys
import threading
from functools import partial
from multiprocessing.sharedctypes import RawValue

import pytest
from torch.utils.data import DataLoader, Dataset

from rcl_mm.engine.hooks.stop_signal import outlive_stop_signal
from rcl_mm.runtime.errors import one_line, report_errors, users_mistake
from rcl_mm.runtime.lost_workers import lost_worker, say_unless_left

KILLED = 'DataLoader worker (pid 14776) is killed by signal: Killed. \nMore'


class WorkerFacts(Dataset):
    """What a worker says of itself."""

    def __len__(self):
        return 100

    def __getitem__(self, index):
        return os.getpid(), sys.excepthook is say_unless_left


class TestLostWorker:
    @pytest.mark.parametrize(
        'text', [KILLED, 'DataLoader worker (pid(s) 14776) exited unexpectedly']
    )
    def test_one_line(self, text):
        error = RuntimeError(text)
        assert users_mistake(error) is error
        assert lost_worker(error) == one_line(error)
        assert 'memory was full' in one_line(error) and '--resume' in one_line(error)
        assert len(one_line(error).splitlines()) == 1

    @pytest.mark.parametrize('consequence', [ConnectionResetError(104, 'reset'), ValueError('bug')])
    def test_comes_before_what_follows_from_it(self, consequence):
        consequence.__context__ = RuntimeError(KILLED)
        assert users_mistake(consequence)
        assert one_line(consequence).startswith('DataLoader worker (pid 14776) is killed')

    def test_other_errors(self):
        assert lost_worker(ConnectionResetError(104, 'Connection reset by peer')) is None
        assert (
            lost_worker(RuntimeError('Caught ValueError in DataLoader worker process 0.')) is None
        )


class TestAwaitingLostWorker:
    @pytest.mark.parametrize('consequence', [ConnectionResetError(104, 'reset'), EOFError()])
    def test_connection_breaks_before_the_worker_is_reported(self, consequence, capfd):
        loader = iter(DataLoader(WorkerFacts(), num_workers=1))

        def run():
            pid = int(next(loader)[0])
            threading.Timer(0.2, os.kill, [pid, signal.SIGKILL]).start()
            raise consequence

        assert report_errors(run) == 1
        text = capfd.readouterr().err
        assert text.startswith('error: DataLoader worker (pid') and 'killed by signal' in text
        assert len(text.splitlines()) == 1

    def test_connection_of_something_else(self, capfd):
        next(iter(DataLoader(WorkerFacts(), num_workers=1)))

        def run():
            raise ConnectionRefusedError(111, 'Connection refused', 'localhost')

        assert report_errors(run) == 1
        assert capfd.readouterr().err == 'error: localhost: Connection refused\n'


class TestSayUnlessLeft:
    def test_main_process_left(self, capsys):
        for error in (ConnectionResetError(104, 'reset'), BrokenPipeError(), EOFError()):
            say_unless_left(type(error), error, None)
        assert capsys.readouterr().err == ''

    def test_errors_of_its_own__are_said(self, capsys):
        say_unless_left(ValueError, ValueError('a bug'), None)
        assert 'ValueError: a bug' in capsys.readouterr().err

    def test_is_in_the_workers_of_a_run(self):
        initialise = partial(outlive_stop_signal, None, RawValue('b', 0))
        loader = DataLoader(WorkerFacts(), num_workers=1, worker_init_fn=initialise)
        pid, quiet = next(iter(loader))
        assert int(pid) != os.getpid() and bool(quiet)
