"""tools/dist_train.sh and dist_test.sh as a user calls them: two CPU processes over gloo."""

import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from rcl_mm.cli.launch import main

REPOSITORY = Path(__file__).parents[2]
# One epoch of four iterations; 49 validation images, so that one of 2 ranks gets a repeated one.
SMALL = f"""
_base_ = {str(REPOSITORY / 'configs/rcl/resnet8_digits_lt.py')!r}
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(img_max=24, imbalance_factor=8),
)
val_dataloader = dict(batch_size=10, dataset=dict(indices=49))
test_dataloader = dict(batch_size=10, dataset=dict(indices=49))
train_cfg = dict(max_epochs=1, val_interval=1)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=1))
"""
BREAK_ON_RANK_1 = """
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class BreakOnRank1(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.rank == 1 and runner.iter == 2:
            raise ValueError('the third batch of rank 1 is spoiled')
"""


def run_script(script, *arguments, folder=None, check=True):
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(folder or '')}
    for name in ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT', 'PORT'):
        environment.pop(name, None)
    command = ['bash', str(REPOSITORY / 'tools' / script), *map(str, arguments)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert not check or done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done


def metrics_in(work_dir):
    """The metrics that the newest test run in a folder wrote."""
    (path,) = [p for p in work_dir.glob('*/*.json') if re.fullmatch(r'\d+_\d+\.json', p.name)]
    return {name: value for name, value in json.loads(path.read_text()).items() if '/' in name}


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Output and folder of a training run over two processes."""
    folder = tmp_path_factory.mktemp('dist_train')
    (folder / 'small.py').write_text(SMALL)
    work_dir = folder / 'train'
    done = run_script(
        'dist_train.sh', folder / 'small.py', 2, '--work-dir', work_dir, '--auto-scale-lr'
    )
    return done.stdout + done.stderr, folder


def test_dist_train__two_processes_validate_and_save(trained):
    output, folder = trained
    assert (folder / 'train' / 'epoch_1.pth').is_file()
    assert 'long_tail/top1' in output
    # 2 ranks x 16 images where the recipe has 64: half the learning rate.
    assert 'Scaling the original LR by 0.5' in output


def test_dist_test__repeated_samples_are_not_counted_twice(trained, monkeypatch):
    """49 images over 2 ranks are 50 with one repeated: the metrics are those of one process."""
    _, folder = trained
    config, checkpoint = folder / 'small.py', folder / 'train' / 'epoch_1.pth'
    run_script('dist_test.sh', config, checkpoint, 2, '--work-dir', folder / 'two')
    monkeypatch.setenv('LOCAL_RANK', '0')
    monkeypatch.setenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    arguments = [str(config), str(checkpoint), '--work-dir', str(folder / 'one')]
    assert main('test', [*arguments, '--cfg-options', 'experiment_name=one_process']) == 0
    two, one = metrics_in(folder / 'two'), metrics_in(folder / 'one')
    assert two == pytest.approx(one, rel=1e-6) and len(one) > 4


def test_dist_train__a_rank_that_raises_ends_the_job_with_its_message(tmp_path):
    (tmp_path / 'break_on_rank_1.py').write_text(BREAK_ON_RANK_1)
    (tmp_path / 'broken.py').write_text(
        SMALL
        + "custom_imports = dict(imports=['rcl_mm', 'break_on_rank_1'])\n"
        + "custom_hooks = [dict(type='ClassCountsHook'), dict(type='BreakOnRank1')]\n"
    )
    arguments = (tmp_path / 'broken.py', 2, '--work-dir', tmp_path / 'work')
    done = run_script('dist_train.sh', *arguments, folder=tmp_path, check=False)
    ended = time.time()
    assert done.returncode == 1
    assert 'the third batch of rank 1 is spoiled' in done.stderr
    log = next((tmp_path / 'work').glob('*/*.log'))
    last_step = re.findall(r'Epoch\(train\)\s+\[1\]\[(\d)/\d\]', log.read_text())[-1]
    assert last_step == '2' and ended - log.stat().st_mtime < 30


@pytest.mark.parametrize('weight', ['con_weight', 'cls_weight'])
def test_dist_train__a_branch_without_weight__resumes_a_run_that_had_both(trained, weight):
    """DDP stops at a parameter without a gradient that asks for one."""
    _, folder = trained
    options = (f'model.head.loss.{weight}=0', 'train_cfg.max_epochs=2')
    checkpoint = folder / 'train' / 'epoch_1.pth'
    work_dir = folder / weight
    arguments = ('--work-dir', work_dir, '--resume', checkpoint, '--cfg-options', *options)
    run_script('dist_train.sh', folder / 'small.py', 2, *arguments)
    assert (work_dir / 'epoch_2.pth').is_file()


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh'])
def test_scripts__too_few_arguments_tell_the_usage(script):
    done = run_script(script, 'config.py', check=False)
    assert done.returncode == 2 and f'tools/{script}' in done.stderr


class TestLaunchers:
    """What the scripts start, shown by a program that only prints its arguments."""

    @pytest.fixture
    def started(self, tmp_path, monkeypatch):
        for name in ('srun', 'shown'):
            (tmp_path / name).write_text('#!/bin/sh\necho "MASTER_PORT=$MASTER_PORT $@"\n')
            (tmp_path / name).chmod(0o755)
        for name in ('NNODES', 'NODE_RANK', 'MASTER_ADDR', 'MASTER_PORT', 'PORT'):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv('PATH', f'{tmp_path}:/usr/bin:/bin')
        monkeypatch.setenv('PYTHON', str(tmp_path / 'shown'))

        def call(script, *arguments, **environment):
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            command = ['bash', str(REPOSITORY / 'tools' / script), *arguments]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout

        return call

    def test_one_node__a_free_port(self, started):
        shown = started('dist_train.sh', 'config.py', '8', '--amp')
        assert '--standalone --nproc_per_node 8 ' in shown and '--master_port' not in shown
        assert shown.rstrip().endswith('train.py config.py --launcher pytorch --amp')

    @pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh'])
    def test_many_nodes__from_the_environment(self, started, script):
        checkpoint = ['epoch_1.pth'] if 'test' in script else []
        where = dict(NNODES='4', NODE_RANK='2', MASTER_ADDR='10.0.0.1', PORT='29511')
        shown = started(script, 'config.py', *checkpoint, '8', **where)
        assert '--nnodes 4 --node_rank 2 --master_addr 10.0.0.1 --master_port 29511 ' in shown
        assert '--nproc_per_node 8' in shown

    def test_slurm(self, started):
        arguments = ('gpu', 'job', 'config.py', 'work', '--resume')
        shown = started('slurm_train.sh', *arguments, GPUS='16', PORT='29544')
        assert shown.startswith('MASTER_PORT=29544 -p gpu --job-name=job --gres=gpu:8 --ntasks=16 ')
        assert '--work-dir work --launcher slurm --resume' in shown
