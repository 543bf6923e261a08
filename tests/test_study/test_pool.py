"""Many runs over worker processes: failures, dying workers, the bound in time, going on."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from study import workers as experiment_workers
from study.pool import run_experiment
from study.run import ROOT, Run
from study.run_files import FAILURE_NAME, read_json
from study.workers import Settings

from rcl_mm.runtime.errors import UsageError

from .test_run import CONFIG, small_run


def run_with_code(folder, monkeypatch, name: str, code: str) -> Run:
    """A run whose config makes the worker, and only the worker, execute some code."""
    (folder / f'{name}_code.py').write_text(code)
    monkeypatch.syspath_prepend(folder)  # workers get it too
    config = folder / f'{name}.py'
    imports = f"custom_imports = dict(imports=['rcl_mm', '{name}_code'])"
    config.write_text(f"_base_ = '{ROOT / CONFIG}'\n{imports}\n")
    return replace(small_run(name), config=str(config))


class Terminal:
    """A console whose text can be read."""

    def __init__(self) -> None:
        self.console = Console(record=True, width=200, force_terminal=False, quiet=False)

    @property
    def text(self) -> str:
        return self.console.export_text(clear=False)


def test_failures_and_deaths_do_not_stop_the_others(tmp_path, monkeypatch, capfd) -> None:
    work_dir = tmp_path / 'work'
    runs = [
        run_with_code(tmp_path, monkeypatch, 'dies', 'import os; os._exit(9)'),
        small_run('good', seed=3),
        small_run('wrong', options={'model.backbone.depth': 9}),
    ]
    settings = Settings(work_dir, jobs=2, device='cpu', commit='abc', checkpoints='none')
    terminal = Terminal()
    outcome = run_experiment(runs, settings, terminal.console)

    assert not outcome.complete and outcome.left == []
    assert [record['name'] for record in outcome.records] == ['good']
    record = outcome.records[0]
    assert record['commit'] == 'abc' and record['device'].startswith('CPU')
    assert record['threads'] == max(1, experiment_workers.available_cores() // 2)
    assert 'exit code 9' in outcome.failures['dies']
    assert outcome.failures['wrong'].startswith('InputError: depth=9')
    assert 'Traceback' in read_json(work_dir / 'wrong' / FAILURE_NAME)['traceback']
    assert 'exit code 9' in read_json(work_dir / 'dies' / FAILURE_NAME)['error']

    # The terminal shows what became of the runs; what they print goes to files.
    assert 'done    good' in terminal.text and 'failed  wrong: InputError' in terminal.text
    out, err = capfd.readouterr()
    assert 'Epoch(train)' not in out + err
    logs = ''.join(path.read_text() for path in (work_dir / 'logs').iterdir())
    assert 'Epoch(train)' in logs

    # Again: what is done is not repeated, and needs no worker.
    def no_worker(*args):
        raise AssertionError('a worker was started')

    monkeypatch.setattr('study.pool.Worker', no_worker)
    again = run_experiment([runs[1]], settings, Terminal().console)
    assert again.complete and again.records == [record]


def test_the_bound_in_time_ends_what_is_running(tmp_path, monkeypatch) -> None:
    sleeps = run_with_code(tmp_path, monkeypatch, 'sleeps', 'import time; time.sleep(600)')
    runs = [sleeps, small_run('waits')]
    settings = Settings(tmp_path / 'work', jobs=1, device='cpu', max_minutes=0.05)
    started = time.monotonic()
    outcome = run_experiment(runs, settings, Terminal().console)
    assert time.monotonic() - started < 60
    assert outcome.left == ['sleeps', 'waits'] and not outcome.failures and not outcome.complete


PARENT = """
from pathlib import Path
from study.pool import Run, Settings, run_experiment
if __name__ == '__main__':
    run = Run('sleeps', {config!r}, 0)
    run_experiment([run], Settings(Path({work_dir!r}), jobs=1, device='cpu'))
"""


@pytest.mark.slow
def test_workers_end_with_a_parent_that_is_killed(tmp_path, monkeypatch) -> None:
    pid_file = tmp_path / 'pid'
    code = f'import os, time; open({str(pid_file)!r}, "w").write(str(os.getpid())); time.sleep(600)'
    run = run_with_code(tmp_path, monkeypatch, 'sleeps', code)
    script = tmp_path / 'parent.py'
    script.write_text(PARENT.format(config=run.config, work_dir=str(tmp_path / 'work')))
    folders = [tmp_path, ROOT, ROOT / 'tools']
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(map(str, folders)))
    parent = subprocess.Popen([sys.executable, script])
    try:
        wait_for(lambda: pid_file.exists() and pid_file.read_text())
    finally:
        parent.kill()
        parent.wait()
    worker = Path('/proc') / pid_file.read_text()
    wait_for(lambda: not worker.exists(), seconds=20)


def wait_for(condition, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, 'waited in vain'
        time.sleep(0.1)


def test_no_run_is_begun_that_would_end_too_late(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr('study.pool.Worker', None)
    settings = Settings(tmp_path, device='cpu', max_minutes=1e-9)
    assert run_experiment([small_run()], settings, Terminal().console).left == ['small']


def test_two_runs_of_one_name_are_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match='such as "small"'):
        run_experiment([small_run(), small_run(seed=1)], Settings(tmp_path))


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(device='tpu'), 'allowed are auto, cpu, cuda'),
        (dict(jobs=0), 'jobs is 0'),
        (dict(max_minutes=0), 'max-minutes is 0'),
    ],
)
def test_wrong_settings(tmp_path, settings, message) -> None:
    with pytest.raises(UsageError, match=message):
        run_experiment([], Settings(tmp_path, **settings))


def test_a_gpu_that_is_not_there(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(UsageError, match='--device cpu'):
        run_experiment([], Settings(tmp_path, device='cuda'))


def page_faults_of_allocations() -> int:
    """Page faults of a new process that takes and frees the same 64 MB twenty times."""
    code = """
import resource
import numpy
numpy.ones(2**23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    numpy.ones(2**23)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    return int(subprocess.check_output([sys.executable, '-c', code], text=True))


class TestEnvironment:
    def test_threads_and_no_gpu(self, monkeypatch) -> None:
        monkeypatch.setenv('OMP_NUM_THREADS', '7')
        monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
        environ = experiment_workers.os.environ
        with experiment_workers._environment(0, 'cpu', 3):
            assert environ['OMP_NUM_THREADS'] == '3' and environ['CUDA_VISIBLE_DEVICES'] == ''
        assert environ['OMP_NUM_THREADS'] == '7' and 'CUDA_VISIBLE_DEVICES' not in environ

    def test_freed_memory_is_used_again(self, monkeypatch) -> None:
        for name in experiment_workers.KEEP_FREED_MEMORY:
            monkeypatch.delenv(name, raising=False)
        without = page_faults_of_allocations()
        with experiment_workers._environment(0, 'cpu', 1):
            within = page_faults_of_allocations()
        assert without > 10 * within

    def test_memory_settings_of_the_user_stay(self, monkeypatch) -> None:
        environ = experiment_workers.os.environ
        monkeypatch.setenv('MALLOC_TRIM_THRESHOLD_', '131072')
        monkeypatch.delenv('MALLOC_MMAP_THRESHOLD_', raising=False)
        with experiment_workers._environment(0, 'cpu', 1):
            assert environ['MALLOC_TRIM_THRESHOLD_'] == '131072'
        assert environ['MALLOC_TRIM_THRESHOLD_'] == '131072'
        assert 'MALLOC_MMAP_THRESHOLD_' not in environ

    def test_gpus_in_turn_among_the_visible_ones(self, monkeypatch) -> None:
        monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
        monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
        assert [experiment_workers._gpu_of(n) for n in range(3)] == ['0', '1', '0']
        monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '5, 3')
        assert [experiment_workers._gpu_of(n) for n in range(3)] == ['5', '3', '5']
