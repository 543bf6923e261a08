"""dist_train.sh, dist_test.sh and slurm_train.sh: how they start the tools, and two real ranks."""

import os
import subprocess
from pathlib import Path

import pytest

from rcl_mm.runtime.checkpoint import load_checkpoint_file

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


@pytest.fixture
def run(tmp_path):
    """Run a script; with ``fake=NAME`` a program of that name only writes down its arguments."""

    def call(script, *arguments, fake=None, **environment):
        settings = {**os.environ, 'OMP_NUM_THREADS': '1', **environment}
        if fake:
            program = tmp_path / 'bin' / fake
            program.parent.mkdir(exist_ok=True)
            program.write_text('#!/bin/sh\nfor a in "$@"; do echo "$a"; done\n')
            program.chmod(0o755)
            settings['PATH'] = f'{program.parent}:{os.environ["PATH"]}'
            if fake == 'python':
                settings['PYTHON'] = str(program)
        command = [str(TOOLS / script), *map(str, arguments)]
        return subprocess.run(command, env=settings, capture_output=True, text=True, timeout=280)

    return call


class TestCommandLines:
    def test_train__one_node_chooses_a_free_port(self, run):
        lines = run(
            'dist_train.sh', 'c.py', 4, '--resume', '--seed', 1, fake='python'
        ).stdout.split()
        assert lines[:5] == ['-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', '4']
        assert lines[5] == str(TOOLS / 'train.py')
        assert lines[6:] == ['c.py', '--launcher', 'pytorch', '--resume', '--seed', '1']

    def test_train__many_nodes(self, run):
        nodes = dict(NNODES='2', NODE_RANK='1', MASTER_ADDR='node0', PORT='1234')
        lines = run('dist_train.sh', 'c.py', 8, fake='python', **nodes).stdout
        expected = '--nnodes 2 --node_rank 1 --master_addr node0 --master_port 1234'
        assert expected in ' '.join(lines.split())

    def test_train__own_port_on_one_node(self, run):
        lines = run('dist_train.sh', 'c.py', 8, fake='python', PORT='1234').stdout
        assert '--nnodes 1' in ' '.join(lines.split()) and '--master_port 1234' in ' '.join(
            lines.split()
        )

    def test_arguments_with_spaces__stay_whole(self, run):
        lines = run('dist_train.sh', 'a b.py', 1, '--cfg-options', 'x="[1, 2]"', fake='python')
        assert 'a b.py' in lines.stdout.splitlines()
        assert 'x="[1, 2]"' in lines.stdout.splitlines()

    def test_test(self, run):
        lines = run('dist_test.sh', 'c.py', 'e.pth', 2, '--out', 'o.json', fake='python').stdout
        expected = ['c.py', 'e.pth', '--launcher', 'pytorch', '--out', 'o.json']
        assert lines.split()[5:] == [str(TOOLS / 'test.py'), *expected]

    def test_slurm(self, run):
        settings = dict(GPUS='16', GPUS_PER_NODE='4', SRUN_ARGS='--time=10 --signal=TERM@120')
        arguments = ['part', 'job', 'c.py', 'work', '--amp']
        lines = run('slurm_train.sh', *arguments, fake='srun', **settings).stdout.split()
        assert lines[:4] == ['-p', 'part', '--job-name=job', '--gres=gpu:4']
        assert {'--ntasks=16', '--ntasks-per-node=4', '--time=10', '--signal=TERM@120'} <= set(
            lines
        )
        expected = ['c.py', '--work-dir', 'work', '--launcher', 'slurm', '--amp']
        assert lines[lines.index(str(TOOLS / 'train.py')) + 1 :] == expected

    @pytest.mark.parametrize(
        ('script', 'arguments'),
        [
            ('dist_train.sh', ['c.py']),
            ('dist_test.sh', ['c.py', 'e.pth']),
            ('slurm_train.sh', ['part', 'job', 'c.py']),
        ],
    )
    def test_too_few_arguments__show_how_to_call(self, run, script, arguments):
        result = run(script, *arguments)
        assert result.returncode == 2
        assert f'tools/{script}' in result.stderr


class TestTwoRanks:
    def test_train__on_cpus_without_a_flag_or_a_warning(self, run, write_config, tmp_path):
        """As a user does it: processes of their own, gloo, nothing on standard error."""
        config, work = write_config('train_cfg = dict(max_epochs=1)\n'), tmp_path / 'work'
        result = run('dist_train.sh', config, 2, '--work-dir', work)
        assert result.returncode == 0, result.stderr[-2000:]
        assert result.stderr == ''
        log = next(work.glob('*/*.log')).read_text()
        assert 'Distributed launcher: pytorch' in log and 'WARNING' not in log
        # 102 images, batches of 16 on each of two ranks.
        checkpoint = load_checkpoint_file(work / 'epoch_1.pth')
        assert checkpoint['meta']['iter'] == 4
        assert len(checkpoint['resume_state']['random_states']) == 2
