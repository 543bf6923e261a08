"""The tools end to end, in this process: the real RCL config, a few iterations."""

import json
from types import SimpleNamespace

import pytest
import torch
from small_runs import RCL_DIGITS

from rcl_mm.cli.arguments import check_out, train_parser
from rcl_mm.cli.launch import finish_config, load_config
from rcl_mm.cli.merge_arguments import merge_train_arguments
from rcl_mm.runtime.checkpoint import load_checkpoint_file


def configured(config, *arguments):
    args = train_parser().parse_args([str(config), *arguments])
    cfg = load_config(args)
    merge_train_arguments(cfg, args)
    return finish_config(cfg, args)


class TestArguments:
    def test_work_dir__argument_then_config_then_name(self, write_config):
        assert configured(write_config(), '--work-dir', 'a').work_dir == 'a'
        assert configured(write_config("work_dir = 'b'\n")).work_dir == 'b'
        assert configured(write_config(name='c.py')).work_dir == './work_dirs/c'

    def test_cfg_options__win(self, write_config):
        cfg = configured(
            write_config(),
            '--seed',
            '3',
            '--no-pin-memory',
            '--cfg-options',
            'randomness.seed=5',
            'train_dataloader.pin_memory=True',
            'model.head.loss.temperature=0.2',
        )
        assert cfg.randomness.seed == 5
        assert cfg.train_dataloader.pin_memory is True
        assert cfg.val_dataloader.pin_memory is False
        assert cfg.model.head.loss.temperature == 0.2

    def test_seed(self, write_config):
        cfg = configured(write_config(), '--seed', '3')
        assert cfg.randomness == dict(seed=3, deterministic=False)

    def test_amp(self, write_config):
        cfg = configured(write_config(), '--amp')
        assert (cfg.optim_wrapper.type, cfg.optim_wrapper.loss_scale) == (
            'AmpOptimWrapper',
            'dynamic',
        )

    def test_no_validate(self, write_config):
        cfg = configured(write_config(), '--no-validate')
        assert cfg.val_cfg is cfg.val_dataloader is cfg.val_evaluator is None

    def test_auto_scale_lr(self, write_config):
        assert configured(write_config(), '--auto-scale-lr').auto_scale_lr.enable

    def test_tensorboard__is_added_once(self, write_config):
        config = write_config("visualizer = dict(vis_backends=[dict(type='LocalVisBackend')])\n")
        kinds = [one.type for one in configured(config, '--tensorboard').visualizer.vis_backends]
        assert kinds == ['LocalVisBackend', 'TensorboardVisBackend']

    def test_loader_defaults__are_mmpretrains(self, write_config):
        loader = configured(write_config('val_dataloader = dict(num_workers=2)\n')).val_dataloader
        assert loader.persistent_workers and loader.pin_memory
        loader = configured(
            write_config('val_dataloader = dict(num_workers=2)\n'), '--no-persistent-workers'
        ).val_dataloader
        assert not loader.persistent_workers

    def test_no_workers__means_no_persistent_ones_which_torch_refuses(self, write_config):
        config = write_config('val_dataloader = dict(num_workers=0, persistent_workers=True)\n')
        assert configured(config).val_dataloader.persistent_workers is False

    def test_resume(self, write_config, tmp_path):
        checkpoint = tmp_path / 'epoch_1.pth'
        checkpoint.touch()
        cfg = configured(write_config(), '--resume')
        assert (cfg.resume, cfg.load_from) == (True, None)
        cfg = configured(write_config(), '--resume', str(checkpoint))
        assert (cfg.resume, cfg.load_from) == (True, str(checkpoint))


class TestTrainResumeTest:
    def test_train_then_resume_then_test(self, tool, write_config, tmp_path, monkeypatch):
        config, work = write_config(), tmp_path / 'work'
        assert tool('train', config, '--work-dir', work, options=['train_cfg.max_epochs=1']) == 0
        first = load_checkpoint_file(work / 'epoch_1.pth')
        assert first['meta']['epoch'] == 1
        counts = first['meta']['dataset_meta']['class_counts']
        assert first['state_dict']['head.loss_module.class_counts'].tolist() == counts

        assert tool('train', config, '--work-dir', work, '--resume') == 0
        second = load_checkpoint_file(work / 'epoch_2.pth')
        assert second['meta']['iter'] == 2 * first['meta']['iter']
        log = max(work.glob('*/*.log')).read_text()
        assert 'resumed epoch: 1' in log

        out = tmp_path / 'metrics.json'
        arguments = ['--work-dir', work / 'test', '--out', out, '--out-item', 'metrics']
        assert tool('test', config, work / 'epoch_2.pth', *arguments) == 0
        metrics = json.loads(out.read_text())
        assert {'long_tail/top1', 'long_tail/few', 'long_tail/worst'} <= metrics.keys()

    def test_stock_head_and_data__needs_no_hook_in_the_config(self, tool, write_config, tmp_path):
        """A config with nothing of ours but the loss: the tool adds the hook."""
        config = write_config(
            'custom_hooks = []\n'
            "model = dict(head=dict(loss=dict(_delete_=True, type='BalancedSoftmaxLoss')))\n",
            base=RCL_DIGITS.parents[1] / 'cross_entropy/resnet8_digits_lt.py',
        )
        work = tmp_path / 'work'
        assert tool('train', config, '--work-dir', work, options=['train_cfg.max_epochs=1']) == 0
        state = load_checkpoint_file(work / 'epoch_1.pth')['state_dict']
        assert state['head.loss_module.class_counts'].sum() > 0


class TestUserErrors:
    def test_missing_config(self, tool, tmp_path, capsys):
        assert tool('train', tmp_path / 'none.py') == 2
        assert 'none.py" does not exist' in capsys.readouterr().err

    def test_missing_checkpoint__before_anything_is_built(
        self, tool, write_config, tmp_path, capsys
    ):
        work = tmp_path / 'work'
        assert tool('test', write_config(), tmp_path / 'none.pth', '--work-dir', work) == 2
        assert 'none.pth" does not exist' in capsys.readouterr().err
        resume = ['--resume', tmp_path / 'none.pth']
        assert tool('train', write_config(), '--work-dir', work, *resume) == 2
        assert not work.exists()

    @pytest.mark.parametrize(
        ('changes', 'message'),
        [
            ("model = dict(backbone=dict(type='Nope'))\n", 'Nope is not in the'),
            ('model = dict(head=dict(loss=dict(class_counts=[1, 2])))\n', 'has 2 entries'),
            (
                "model = dict(head=dict(loss=dict(class_counts='/no/counts.json')))\n",
                'counts.json" does not exist',
            ),
            ("train_dataloader = dict(dataset=dict(split='nope'))\n", "split is 'nope', allowed"),
            ('this is no python\n', 'invalid syntax'),
            ("custom_imports = dict(imports=['no_such_package'])\n", 'no_such_package'),
        ],
    )
    def test_wrong_config__one_line_and_exit_1(
        self, tool, write_config, tmp_path, capsys, changes, message
    ):
        assert tool('train', write_config(changes), '--work-dir', tmp_path / 'work') == 1
        error = capsys.readouterr().err
        assert message in error
        assert len([line for line in error.splitlines() if line.startswith('error:')]) == 1
        assert 'Traceback' not in error

    @pytest.mark.parametrize('depth', [0, 1, 2])
    def test_syntax_error__names_the_file_that_has_it(self, tool, tmp_path, capsys, depth):
        (tmp_path / 'config0.py').write_text('a = 1\nmodel = dict(\n')
        for number in range(depth):
            path = tmp_path / f'config{number + 1}.py'
            path.write_text(f"_base_ = './config{number}.py'\n")
        assert tool('train', tmp_path / f'config{depth}.py') == 1
        error = capsys.readouterr().err
        assert f"{tmp_path}/config0.py\", line 2 is no valid Python: '(' was never" in error
        assert '<unknown>' not in error and len(error.splitlines()) == 1

    def test_work_dir_that_can_not_be_made(self, tool, write_config, tmp_path, capsys):
        (tmp_path / 'file').touch()
        work = tmp_path / 'file/work'
        assert tool('train', write_config(), '--work-dir', work) == 1
        error = capsys.readouterr().err.splitlines()[-1]
        assert error == f'error: {work}: can not be made (Not a directory)'

    @pytest.mark.parametrize('option', ['model.head.loss.temprature=0.2', 'train_cfg.max_epoch=1'])
    def test_mistyped_argument(self, tool, write_config, tmp_path, capsys, option):
        arguments = ['--work-dir', tmp_path / 'work']
        assert tool('train', write_config(), *arguments, options=[option]) == 1
        error = capsys.readouterr().err
        assert 'Traceback' not in error
        argument = option.partition('=')[0].rpartition('.')[2]
        assert f"unexpected keyword argument '{argument}'" in error.splitlines()[-1]

    def test_missing_base_config(self, tool, write_config, tmp_path, capsys):
        assert tool('train', write_config(base=tmp_path / 'nothing.py')) == 1
        assert 'nothing.py' in capsys.readouterr().err

    def test_error_while_training__traceback_is_in_the_log(
        self, tool, write_config, tmp_path, capsys
    ):
        config = write_config('model = dict(head=dict(loss=dict(class_counts=[9] * 9 + [0])))\n')
        work = tmp_path / 'work'
        assert tool('train', config, '--work-dir', work) == 1
        assert 'class_counts is 0 for class 9' in capsys.readouterr().err
        assert 'Traceback (most recent call last)' in next(work.glob('*/*.log')).read_text()

    def test_first_name_that_the_config_has_not__warning(self, tool, tmp_path, capsys):
        """The tests' own experiment_name is no such name: the runner knows it."""
        config = tmp_path / 'config.py'
        config.write_text('model = dict()\n')
        options = ['modle.head.x=1', 'randomness.seed=1', 'imbalance_factor=5', 'mine=2']
        assert tool('train', config, options=options) == 2
        lines = capsys.readouterr().err.splitlines()
        assert lines[:2] == [
            'warning: --cfg-options modle.head.x=1: the config has no "modle", did you mean '
            '"model"?',
            'warning: --cfg-options mine=2: the config has no "mine"',
        ]
        assert len(lines) == 3 and 'has no train_dataloader' in lines[2]

    @pytest.mark.parametrize(
        ('arguments', 'message'),
        [
            (['results.xlsx'], 'results.xlsx: allowed are .json, .csv and .pkl'),
            (['results'], 'results: allowed are .json, .csv and .pkl'),
            (
                ['a.csv', '--out-item', 'metrics'],
                'a.csv --out-item metrics: allowed are .json, .yaml, .yml and .pkl',
            ),
            (['a.json', '--out-item', 'pred'], 'a.json --out-item pred: allowed are .pkl'),
        ],
    )
    def test_out_of_an_unknown_kind__before_anything_is_read(
        self, tool, capsys, arguments, message
    ):
        assert tool('test', 'config.py', 'last.pth', '--out', *arguments) == 2
        assert capsys.readouterr().err == f'error: --out {message}\n'

    @pytest.mark.parametrize(
        ('out', 'item'),
        [('a.csv', None), ('a.pickle', None), ('a.pickle', 'pred'), ('a.yaml', 'metrics')],
    )
    def test_out_of_a_known_kind(self, out, item):
        check_out(out, item)

    def test_pair_without_equals_sign(self, tool, write_config, capsys):
        with pytest.raises(SystemExit) as end:
            tool('train', write_config(), options=['nonsense'])
        assert end.value.code == 2
        assert '"nonsense" is not of the form key=value' in capsys.readouterr().err

    def test_hostile_checkpoint__is_refused_in_one_line(self, tool, write_config, tmp_path, capsys):
        path = tmp_path / 'hostile.pth'
        torch.save({'state_dict': {}, 'meta': SimpleNamespace()}, path)
        assert tool('test', write_config(), path, '--work-dir', tmp_path / 'work') == 1
        error = capsys.readouterr().err
        assert 'is refused: it asks for types.SimpleNamespace' in error
        assert 'Traceback' not in error
