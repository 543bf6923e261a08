"""`.ci/setup`: when it works, when it does nothing, and what it says when it cannot."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
# Stands in for Python: answers what the script asks, notes what pip is told, makes "venvs" of
# itself. VERSION is replaced; the file pip_fails makes pip fail as an interrupted download does.
FAKE_PYTHON = """#!/bin/bash
case "$*" in
    *'print("%d.%d"'*) echo VERSION ;;
    *'sys.version_info < (3, 11)'*) [ "VERSION" != 3.9 ] ;;
    '-m venv '*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo "venv VERSION" >>calls ;;
    '-m pip --version') true ;;
    '-m pip '*) echo "$*" >>calls; [ ! -e pip_fails ] ;;
    *) true ;;
esac
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / 'requirements').mkdir()
    (tmp_path / 'requirements/constraints.txt').write_text('torch==2.14.1\n')
    for name in ('setup.py', 'pyproject.toml'):
        (tmp_path / name).write_text(f'# {name}\n')
    shutil.copytree(REPOSITORY / '.ci', tmp_path / '.ci')
    for version in ('3.9', '3.11', '3.12'):
        path = tmp_path / f'bin/python{version}'
        path.parent.mkdir(exist_ok=True)
        path.write_text(FAKE_PYTHON.replace('VERSION', version))
        path.chmod(0o755)
    (tmp_path / 'bin/python3').symlink_to('python3.11')
    return tmp_path


def setup(project, python=None):
    environment = dict(PATH=f'{project}/bin:/usr/bin:/bin', HOME=str(project))
    if python is not None:
        environment['PYTHON'] = str(python)
    done = subprocess.run(
        ['bash', '.ci/setup'], cwd=project, env=environment, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


def calls(project):
    """What was done since the last question: venvs made and pip's arguments."""
    path = project / 'calls'
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def test_first_and_second_call(project):
    code, output = setup(project)
    assert code == 0 and 'is ready' in output
    made, installed = calls(project)
    assert made == 'venv 3.11'
    assert '-c requirements/constraints.txt -e .[mm,mmcv-lite,' in installed
    assert setup(project) == (0, '') and calls(project) == []


@pytest.mark.parametrize('name', ['setup.py', 'pyproject.toml', 'requirements/constraints.txt'])
def test_stale_after_a_change(project, name):
    setup(project)
    calls(project)
    (project / name).write_text('# changed\n')
    assert setup(project)[0] == 0
    # The same environment is brought up to date, not made again.
    assert [line.split()[0] for line in calls(project)] == ['-m']
    assert setup(project) == (0, '')


def test_stale_after_a_move(project, tmp_path_factory):
    """Scripts in .venv/bin and the editable install hold the path."""
    setup(project)
    moved = tmp_path_factory.mktemp('moved') / 'project'
    shutil.copytree(project, moved, symlinks=True)
    calls(moved)
    assert 'is ready' in setup(moved)[1]


def test_interrupted(project):
    (project / 'pip_fails').touch()
    code, output = setup(project)
    assert code == 1 and 'Run the same command again to go on' in output
    assert not (project / '.venv/.ready').exists()
    (project / 'pip_fails').unlink()
    calls(project)
    assert setup(project)[0] == 0 and len(calls(project)) == 1


def test_interrupted_update_leaves_no_stamp_of_before(project):
    setup(project)
    (project / 'setup.py').write_text('# changed\n')
    (project / 'pip_fails').touch()
    assert setup(project)[0] == 1
    assert not (project / '.venv/.ready').exists()


def test_python_that_is_gone(project):
    setup(project)
    calls(project)
    (project / '.venv/bin/python').write_text('#!/nowhere/python\n')
    assert setup(project)[0] == 0
    assert calls(project)[0] == 'venv 3.11'


def test_another_python_is_asked_for(project):
    setup(project)
    calls(project)
    assert setup(project, project / 'bin/python3.12')[0] == 0
    assert calls(project)[0] == 'venv 3.12'
    # Without PYTHON the environment that is there is kept.
    assert setup(project) == (0, '')


@pytest.mark.parametrize(
    'python, message',
    [
        ('python3.9', 'is Python 3.9, but 3.11 or newer is needed'),
        ('nowhere', 'does not run: give a Python 3.11 or newer'),
    ],
)
def test_python_that_does_not_do(project, python, message):
    code, output = setup(project, python)
    assert code == 1 and message in output and len(output.splitlines()) == 1
    assert not (project / '.venv').exists()


def test_no_python_that_does(project):
    """Only an old one on the path."""
    for name in ('python3', 'python3.11', 'python3.12'):
        (project / 'bin' / name).unlink()
    (project / 'bin/python3').symlink_to('python3.9')
    for name in ('bash', 'dirname', 'cksum', 'cat', 'rm', 'mv'):
        (project / 'bin' / name).symlink_to(shutil.which(name))
    environment = dict(PATH=f'{project}/bin')
    done = subprocess.run(
        ['bash', '.ci/setup'], cwd=project, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert 'no Python 3.11 or newer found (python3 is 3.9): install one' in done.stderr


def test_make_lists_its_targets():
    done = subprocess.run(
        ['make', '-s'], cwd=REPOSITORY, env=os.environ, capture_output=True, text=True
    )
    listed = [line.split()[1] for line in done.stdout.splitlines()]
    assert {'help', 'setup', 'demo', 'test', 'soak', 'bench', 'lint', 'clean'} <= set(listed)
    assert all(len(line.split()) > 3 for line in done.stdout.splitlines())


class TestBrowser:
    def run(self, tmp_path, *programs):
        for name in ('bash', 'id'):
            (tmp_path / name).symlink_to(shutil.which(name))
        for name, text in programs:
            (tmp_path / name).write_text(
                f'#!/bin/bash\necho "{name} $*" >>{tmp_path}/calls\n{text}'
            )
            (tmp_path / name).chmod(0o755)
        done = subprocess.run(
            ['bash', REPOSITORY / '.ci/browser'],
            env=dict(PATH=str(tmp_path)),
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr

    def test_there_already(self, tmp_path):
        assert self.run(tmp_path, ('google-chrome', '')) == (0, '')

    def test_neither_browser_nor_packages(self, tmp_path):
        code, output = self.run(tmp_path)
        assert code == 0 and 'no chromium, which the test of the HTML report needs' in output

    def test_installed_as_root(self, tmp_path):
        (tmp_path / 'calls').touch()
        code, _ = self.run(tmp_path, ('apt-get', ''))
        if os.getuid() != 0:
            assert (tmp_path / 'calls').read_text() == ''
            return
        assert code == 0
        assert 'apt-get install -y' in (tmp_path / 'calls').read_text()

    def test_packages_that_do_not_come(self, tmp_path):
        code, output = self.run(tmp_path, ('apt-get', 'exit 100\n'))
        assert code == 0 and 'no chromium' in output
