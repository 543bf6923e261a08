"""The wheel, installed where nothing of the source tree is, runs a config of another project."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
# What measures and compares this project's own configs.
OF_THIS_PROJECT = ('study.py', 'ablate.py', 'compat.py')
SOURCES = ('rcl_mm', 'configs', 'tools', 'requirements')
FILES = ('setup.py', 'pyproject.toml', 'README.md', 'LICENSE', 'MANIFEST.in')
# A project of somebody else: a base of ours, one part taken over by name, a few iterations.
PROJECT = """
_base_ = 'rcl_mm::rcl/resnet8_digits_lt.py'
train_dataloader = dict(
    batch_size=8, num_workers=0, persistent_workers=False,
    dataset=dict(img_max=6, imbalance_factor=3, pipeline=_base_.train_pipeline),
)
val_dataloader = dict(dataset=dict(indices=20))
train_cfg = dict(max_epochs=1, val_interval=1)
param_scheduler = []
"""

# Runs a script as `python SCRIPT ARGUMENTS` does, and says which package it used.
RUN_AND_TELL = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name='__main__')
except SystemExit as end:
    if end.code:
        raise
import rcl_mm
print(rcl_mm.__file__)
"""


def run(*command, cwd):
    environment = {k: v for k, v in os.environ.items() if k not in ('PYTHONPATH', 'PYTHONHOME')}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp('wheel')
    source = folder / 'source'
    source.mkdir()
    for name in SOURCES:
        ignore = shutil.ignore_patterns('__pycache__', 'work_dirs')
        shutil.copytree(REPOSITORY / name, source / name, symlinks=True, ignore=ignore)
    for name in FILES:
        shutil.copy(REPOSITORY / name, source / name)
    pip = (sys.executable, '-m', 'pip', '--disable-pip-version-check')
    run(*pip, 'wheel', '.', '--no-deps', '--no-build-isolation', '-w', folder, cwd=source)
    shutil.rmtree(source)
    (path,) = folder.glob('rcl_mm-*.whl')
    return path


def test_contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = next(name for name in names if name.endswith('METADATA'))
        requirements = archive.read(metadata).decode()
    for part, inner in (('configs', '**/'), ('tools', '')):
        folder = REPOSITORY / part
        expected = {
            f'rcl_mm/.mim/{part}/{path.relative_to(folder)}'
            for suffix in ('py', 'sh')
            for path in folder.glob(f'{inner}*.{suffix}')
            if path.name not in OF_THIS_PROJECT
        }
        there = {name for name in names if name.startswith(f'rcl_mm/.mim/{part}/')}
        assert expected and expected == there, sorted(expected ^ there)[:5]
    modules = {
        str(path.relative_to(REPOSITORY))
        for path in (REPOSITORY / 'rcl_mm').rglob('*.py')
        if '.mim' not in path.parts
    }
    assert modules <= names, sorted(modules - names)[:5]
    top_levels = {name.partition('/')[0] for name in names}
    assert top_levels == {'rcl_mm', metadata.partition('/')[0]}
    needed = [line for line in requirements.splitlines() if line.startswith('Requires-Dist: ')]
    hard = [line.split()[1] for line in needed if 'extra ==' not in line]
    assert sorted(re.match('[a-z]+', line)[0] for line in hard) == ['numpy', 'torch']
    # Full mmcv and mmcv-lite write over each other: neither comes with the rest of OpenMMLab.
    with_mmcv = [line for line in needed if line.startswith('Requires-Dist: mmcv')]
    assert with_mmcv and all(line.endswith('"mmcv-lite"') for line in with_mmcv)


def test_runs_a_config_of_another_project(wheel, tmp_path):
    environment = tmp_path / 'environment'
    run(sys.executable, '-m', 'venv', '--without-pip', environment, cwd=tmp_path)
    python = environment / 'bin/python'
    site = Path(
        run(python, '-c', 'import site; print(site.getsitepackages()[0])', cwd=tmp_path).strip()
    )
    # The libraries that it needs, but not an editable install of this repository beside them:
    # .pth files of a folder that is named in a .pth file have no effect.
    (site / 'libraries.pth').write_text(sysconfig.get_paths()['purelib'])
    pip = (sys.executable, '-m', 'pip', '--disable-pip-version-check', '--python', python)
    run(*pip, 'install', '--no-deps', '--no-index', '--force-reinstall', wheel, cwd=tmp_path)
    project = tmp_path / 'project'
    project.mkdir()
    (project / 'mine.py').write_text(PROJECT)
    script = site / 'rcl_mm/.mim/tools/train.py'
    printed = run(python, '-c', RUN_AND_TELL, script, 'mine.py', cwd=project)
    assert Path(printed.strip().splitlines()[-1]) == site / 'rcl_mm/__init__.py'
    assert (project / 'work_dirs/mine/epoch_1.pth').is_file()
