"""Runs of the real RCL config, small, in this process or in processes of their own."""

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Optional, Sequence

import pytest
from mmengine.config import Config

from rcl_mm.cli.launch import main

REPOSITORY = Path(__file__).resolve().parents[2]
# 70 images in 5 batches, the last with 6; four epochs with warm-up and cosine; EMA.
CONFIG = f"""
_base_ = {str(REPOSITORY / 'configs/rcl/resnet8_digits_lt.py')!r}
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(img_max=16, imbalance_factor=6, serialize_data=False),
)
val_dataloader = dict(dataset=dict(indices=40, serialize_data=False))
test_dataloader = dict(dataset=dict(indices=40, serialize_data=False))
train_cfg = dict(max_epochs=4, val_interval=1)
default_hooks = dict(
    checkpoint=dict(interval=1, max_keep_ckpts=-1, save_best='long_tail/balanced'),
    logger=dict(interval=1),
)
custom_hooks = [
    dict(type='EMAHook', momentum=0.1),
    # Does nothing unless a test says what to do and when.
    dict(type='TroubleHook', stage='never', at=-1, kind='die'),
]
model = dict(backbone=dict(_delete_=True, type='SmallNet'), head=dict(in_channels=16))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=True, end=1, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', by_epoch=True, begin=1, end=4, convert_to_iter_based=True),
]
custom_imports = dict(imports=['rcl_mm', 'small_net'], allow_failed_imports=False)
"""
SMALL_NET = Path(__file__).with_name('small_net.py')
_numbers = itertools.count()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with the config; its modules can be imported."""
    (tmp_path / 'config.py').write_text(CONFIG)
    shutil.copy(SMALL_NET, tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ('TORCH_FORCE_WEIGHTS_ONLY_LOAD', 'LOCAL_RANK', 'RCL_MM_TRACEBACK'):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Leave out what takes most of the time of these short runs in this process.

    MMEngine formats the config anew for every checkpoint; syncing a file waits for the disk.
    """
    monkeypatch.setattr(os, 'fsync', lambda descriptor: None)
    original = Config.pretty_text
    texts = {}

    def pretty_text(config):
        key = repr(config._cfg_dict)
        if key not in texts:
            texts[key] = original.fget(config)
        return texts[key]

    monkeypatch.setattr(Config, 'pretty_text', property(pretty_text))


@pytest.fixture
def train(project):
    """Train in this process: ``train('work', '--resume', 'key=value')`` -> exit code."""

    def call(work_dir, *arguments):
        flags = [a for a in arguments if a.startswith('--')]
        options = [a for a in arguments if not a.startswith('--')]
        # MMEngine keeps loggers and message hubs by name and second: each run needs its own.
        options.append(f'experiment_name=run{next(_numbers)}')
        command = [str(project / 'config.py'), '--work-dir', str(project / work_dir), *flags]
        return main('train', [*command, '--cfg-options', *options])

    return call


@pytest.fixture
def start(project):
    """Start ``tools/train.py`` in a process of its own: ``start('work', ...)`` -> Popen."""
    started = []

    def call(work_dir, *arguments, ranks=1, environment: Optional[dict] = None):
        flags: Sequence[str] = [a for a in arguments if a.startswith('--')]
        options = [a for a in arguments if not a.startswith('--')]
        command = [sys.executable]
        if ranks > 1:
            command += ['-m', 'torch.distributed.run', '--standalone']
            command += ['--nproc_per_node', str(ranks)]
            flags = [*flags, '--launcher', 'pytorch']
        command += [str(REPOSITORY / 'tools/train.py'), str(project / 'config.py')]
        command += ['--work-dir', str(project / work_dir), *flags]
        command += ['--cfg-options', *options] if options else []
        path = os.pathsep.join([str(project), str(REPOSITORY)])
        process = subprocess.Popen(
            command,
            cwd=project,
            env={**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1', **(environment or {})},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield call
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, 9)
        process.communicate()
