"""Settings of a wrong kind or value: one line that names them, before anything is written."""

import pytest
from mmengine.config import Config
from small_runs import RCL_DIGITS

from rcl_mm.cli.data_options import merge_options
from rcl_mm.cli.parts import check_parts
from rcl_mm.cli.settings import check_settings
from rcl_mm.errors import InputError

PART = 'allowed is a dict(type=...)'
WRONG = [
    ('model=abc', f"model is 'abc', {PART}"),
    ('model.backbone=None', f'model.backbone is None, {PART}'),
    ('model.head.loss=[1,2]', f'model.head.loss is [1, 2], {PART}'),
    ('model.backbone.x.5=3', "CIFARResNet() got an unexpected keyword argument 'x'"),
    ('model.backbone.type=Nope', 'model.backbone: Nope is not in the mmpretrain::model registry'),
    ('model.backbone.type=abc', 'model.backbone: abc is not in the mmpretrain::model registry'),
    ('model.head.loss.temperature=hot', "temperature is 'hot', allowed is float"),
    ("custom_hooks=[dict(type='EMAHook')]", 'custom_hooks is ["dict(type=\'EMAHook\')"], allowed'),
    ('custom_hooks.9.type=EMAHook', 'custom_hooks is a list, allowed after it is an index from 0'),
    ('custom_hooks.-1.type=EMAHook', 'custom_hooks is a list, allowed after it is an index from 0'),
    ('custom_hooks.0=EMAHook', 'list can not be replaced alone: give all of custom_hooks'),
    ('custom_hooks.0.type=EMAHok', 'custom_hooks.0: EMAHok is not in the mmpretrain::hook registr'),
    ('custom_hooks.0.interval=3', "custom_hooks.0: ClassCountsHook() got an unexpected keyword"),
    ('default_hooks=[1,2]', 'default_hooks is [1, 2], allowed is a dict, or None'),
    ('default_hooks.logger=LoggerHook', "default_hooks.logger is 'LoggerHook', allowed is a dict"),
    ('default_hooks.logger.interval=abc', "default_hooks.logger.interval is 'abc', allowed is a"),
    ('default_hooks.checkpoint.save_best=[1,2]', 'save_best is [1, 2], allowed is a string or a'),
    ('default_hooks.checkpoint.save_best=top1', 'begin with long_tail/: give one of them'),
    ('default_hooks.checkpoint.interval=None', 'checkpoint.interval is None, allowed is a whole'),
    ('param_scheduler.0.start_factor=0', 'start_factor is 0, allowed is a number above 0'),
    ('param_scheduler.0.end=abc', "param_scheduler.0.end is 'abc', allowed is a whole number"),
    ('default_hooks.checkpoint.save_best=accuracy/top1', 'begin with long_tail/: give one of them'),
    ('log_level.x=3', 'log_level is \'INFO\' and has no "x": give log_level itself'),
    ('log_level=LOUD', "log_level is 'LOUD', allowed is one of"),
    ('optim_wrapper=abc', "optim_wrapper is 'abc', allowed is a dict(type=...), or None"),
    ('optim_wrapper=None', 'optim_wrapper is None or missing while train_dataloader and train_cfg'),
    ('optim_wrapper.type=Opt', 'optim_wrapper: Opt is not in the mmpretrain::optimizer_wrapper'),
    ('optim_wrapper.optimizer=SGD', f"optim_wrapper.optimizer is 'SGD', {PART}"),
    ('optim_wrapper.optimizer.type=SDG', 'is not in the mmpretrain::optimizer registry: did you'),
    ('optim_wrapper.optimizer.momentun=0.9', "argument 'momentun': did you mean momentum?"),
    ('optim_wrapper.optimizer.lr=-1', 'optim_wrapper.optimizer.lr is -1, allowed is a number, 0'),
    ('optim_wrapper.optimizer.lr=nan', "optim_wrapper.optimizer.lr is nan, allowed is a number"),
    ('optim_wrapper.optimizer.momentum=2', 'momentum is 2, allowed is a number, 0 or more and bel'),
    ('optim_wrapper.optimizer.weight_decay=-0.1', 'weight_decay is -0.1, allowed is a number, 0 o'),
    ('optim_wrapper.accumulative_counts=0', 'accumulative_counts is 0, allowed is a whole number'),
    ('param_scheduler=cosine', "param_scheduler is 'cosine', allowed is a dict(type=...) or a lis"),
    ('param_scheduler.0.warmup=3', "LinearLR() got an unexpected keyword argument 'warmup'"),
    ('param_scheduler.7.end=3', 'param_scheduler is a list, allowed after it is an index from 0 t'),
    ('train_cfg=abc', "train_cfg is 'abc', allowed is a dict, or None"),
    ('train_cfg.max_epochs=abc', "train_cfg.max_epochs is 'abc', allowed is a whole number, 1 or"),
    ('train_cfg.max_epochs=0', 'train_cfg.max_epochs is 0, allowed is a whole number, 1 or more'),
    ('train_cfg.max_epochs=-1', 'train_cfg.max_epochs is -1, allowed is a whole number, 1 or more'),
    ('train_cfg.max_epochs=1.5', 'train_cfg.max_epochs is 1.5, allowed is a whole number, 1 or mo'),
    ('train_cfg.val_interval=0', 'train_cfg.val_interval is 0, allowed is a whole number, 1 or mo'),
    ('train_cfg.max_epoch=2', "argument 'max_epoch': did you mean max_epochs?"),
    ('val_cfg=[1,2]', 'val_cfg is [1, 2], allowed is a dict, or None'),
    ('val_cfg.fp32=True', "val_cfg: ValLoop() got an unexpected keyword argument 'fp32'"),
    ('val_evaluator=Accuracy', "val_evaluator is 'Accuracy', allowed is a dict(type=...) or a lis"),
    ('val_evaluator=None', 'val_evaluator is None or missing while val_dataloader and val_cfg is'),
    ('val_evaluator.type=Acc', 'val_evaluator: Acc is not in the mmpretrain::metric registry'),
    ('train_dataloader=abc', "train_dataloader is 'abc', allowed is a dict, or None"),
    ('train_dataloader.batch_size=0', 'train_dataloader.batch_size is 0, allowed is a whole numbe'),
    ('train_dataloader.batch_size=many', "train_dataloader.batch_size is 'many', allowed is a who"),
    ('train_dataloader.num_workers=-1', 'train_dataloader.num_workers is -1, allowed is a whole'),
    ('train_dataloader.num_worker=1', "no argument 'num_worker': did you mean num_workers?"),
    ('train_dataloader.drop_last=maybe', "train_dataloader.drop_last is 'maybe', allowed is True "),
    ('train_dataloader.sampler=Random', "train_dataloader.sampler is 'Random', allowed is a dict"),
    ('train_dataloader.sampler.type=Random', 'train_dataloader.sampler: Random is not in the'),
    ('train_dataloader.collate_fn=abc', f"train_dataloader.collate_fn is 'abc', {PART}"),
    ('train_dataloader.dataset=[1,2]', f'train_dataloader.dataset is [1, 2], {PART}'),
    ('train_dataloader.dataset.pipeline=abc', "train_dataloader.dataset.pipeline is 'abc', allowe"),
    ('train_dataloader.dataset.pipeline.type=A', 'is a list, allowed after it is an index from 0'),
    ('train_dataloader.dataset.pipeline.0.type=A', 'dataset.pipeline: A is not in the mmpretrain'),
    ('train_dataloader.dataset.splits=val', "argument 'splits': did you mean split?"),
    ('env_cfg=None', 'env_cfg is None, allowed is a dict'),
    ('env_cfg.mp_cfg=fork', "env_cfg.mp_cfg is 'fork', allowed is a dict"),
    ('visualizer=abc', "visualizer is 'abc', allowed is a dict(type=...), or None"),
    ('visualizer.vis_backends=abc', "visualizer.vis_backends is 'abc', allowed is a list of dict"),
    ('randomness=3', 'randomness is 3, allowed is a dict'),
    ('randomness.seed=-1', 'randomness.seed is -1, allowed is a whole number, 0 to 4294967295'),
    ('randomness.seed=abc', "randomness.seed is 'abc', allowed is a whole number, 0 to 4294967295"),
    ('auto_scale_lr.base_batch_size=0', 'auto_scale_lr.base_batch_size is 0, allowed is a whole'),
    ('load_from=3', 'load_from is 3, allowed is a string, or None'),
    ('resume=3', 'resume is 3, allowed is True or False'),
    ('default_scope=3', 'default_scope is 3, allowed is a string, or None'),
]  # fmt: skip


class TestWrongSettings:
    @pytest.mark.parametrize(('option', 'message'), WRONG)
    def test_train__one_line_and_nothing_written(self, tool, tmp_path, capsys, option, message):
        work = tmp_path / 'work'
        assert tool('train', RCL_DIGITS, '--work-dir', work, options=[option]) in (1, 2)
        error = capsys.readouterr().err.splitlines()
        assert error[-1].startswith('error: ') and message in error[-1]
        assert not [line for line in error[:-1] if not line.startswith('warning: ')]
        assert not work.exists()

    @pytest.mark.parametrize(
        ('changes', 'message'),
        [
            ('train_cfg = "abc"\n', "train_cfg is 'abc', allowed is a dict, or None"),
            ('optim_wrapper = "SGD"\n', "optim_wrapper is 'SGD', allowed is a dict(type=...)"),
            ('train_dataloader = [dict()]\n', 'train_dataloader is [{}], allowed is a dict'),
            (
                'custom_imports = ["rcl_mm"]\n',
                "custom_imports is ['rcl_mm'], allowed is dict(imports",
            ),
            ('custom_hooks = dict(type="EMAHook")\n', 'cannot inherit from base because custom_h'),
            ('val_evaluator = ["Accuracy"]\n', "val_evaluator is ['Accuracy'], allowed is a dict"),
            ('a = undefined_name\n', "NameError: name 'undefined_name' is not defined"),
            ('model = dict(head=dict(loss=dict(type=1)))\n', 'type is 1, allowed is a name'),
            (
                'train_dataloader = dict(dataset=dict(pipeline=dict(type="Resize")))\n',
                'cannot inherit from base because pipeline is a dict',
            ),
        ],
    )
    @pytest.mark.parametrize('arguments', [[], ['--amp'], ['--tensorboard', '--auto-scale-lr']])
    def test_in_the_file__before_the_arguments_are_merged(
        self, tool, tmp_path, capsys, changes, message, arguments
    ):
        config = tmp_path / 'config.py'
        config.write_text(f'_base_ = {str(RCL_DIGITS)!r}\n{changes}')
        work = tmp_path / 'work'
        assert tool('train', config, '--work-dir', work, *arguments) == 1
        error = capsys.readouterr().err.splitlines()
        assert len(error) == 1 and message in error[0]
        assert not work.exists()

    @pytest.mark.parametrize('name', ['new.py', 'old.py'])
    def test_mixed_styles_of_config(self, tool, tmp_path, capsys, name):
        new = 'from mmengine.config import read_base\nwith read_base():\n    from .old import *\n'
        (tmp_path / 'new.py').write_text(new)
        (tmp_path / 'old.py').write_text("_base_ = './new.py'\n")
        assert tool('train', tmp_path / name) == 1
        error = capsys.readouterr().err
        assert 'inheritance chain must match' in error and len(error.splitlines()) == 1

    @pytest.mark.parametrize('seed', ['-1', '4294967296'])
    def test_seed(self, tool, tmp_path, capsys, seed):
        work = tmp_path / 'work'
        assert tool('train', RCL_DIGITS, '--work-dir', work, '--seed', seed) == 1
        assert f'randomness.seed is {seed}, allowed is a whole' in capsys.readouterr().err
        assert not work.exists()

    def test_test__without_an_evaluator(self, tool, tmp_path, capsys):
        (tmp_path / 'last.pth').touch()
        config = tmp_path / 'config.py'
        config.write_text(f'_base_ = {str(RCL_DIGITS)!r}\ntest_evaluator = None\n')
        assert tool('test', config, tmp_path / 'last.pth', '--amp') == 2
        assert 'has no test_evaluator' in capsys.readouterr().err


class TestCheckSettings:
    @pytest.mark.parametrize(
        'option',
        [
            dict(val_dataloader=None, val_cfg=None, val_evaluator=None),
            {'model.neck': None, 'visualizer': None, 'custom_hooks': None},
            {'default_hooks.visualization': None, 'load_from': 'last.pth', 'resume': True},
            {'randomness.seed': None, 'train_dataloader.sampler': None},
            {'optim_wrapper.clip_grad': dict(max_norm=1.0), 'optim_wrapper.optimizer.lr': 0},
            {'default_hooks.checkpoint.save_best': 'long_tail/balanced'},
            {'default_hooks.checkpoint.save_best': 'auto'},
            {'val_evaluator': [dict(type='LongTailMetric'), dict(type='Accuracy', topk=(1, 5))]},
            {'train_cfg': dict(_delete_=True, by_epoch=False, max_iters=10, val_interval=5)},
            {'custom_hooks': [dict(type='EMAHook', momentum=1e-4, priority='ABOVE_NORMAL')]},
        ],
    )
    def test_what_mmengine_takes__is_allowed(self, option):
        cfg = Config.fromfile(RCL_DIGITS)
        merge_options(cfg, option)
        check_parts(cfg)

    def test_inner_data_sets__at_any_depth(self):
        inner = dict(type='DigitsLT', pipeline='abc')
        wrapped = dict(type='RepeatDataset', times=2, dataset=dict(type='A', datasets=[inner]))
        cfg = Config(dict(train_dataloader=dict(dataset=wrapped)))
        with pytest.raises(InputError, match='dataset.dataset.datasets.0.pipeline is .abc.'):
            check_settings(cfg)
