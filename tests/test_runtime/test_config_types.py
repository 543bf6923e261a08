"""The class that a config's ``type`` means, however it is named."""

import mmengine.hooks
import pytest
from mmengine.config import Config
from mmengine.config.lazy import LazyObject
from mmengine.hooks import CheckpointHook
from mmengine.optim import AmpOptimWrapper

from rcl_mm.evaluation import LongTailMetric
from rcl_mm.runtime.config_types import is_type, type_name, use_text_types
from rcl_mm.runtime.configs import read_config

NEW_STYLE = """
from mmengine.hooks import CheckpointHook, LoggerHook
from torch import nn
from torch.optim import SGD

from rcl_mm.evaluation import LongTailMetric

optim_wrapper = dict(optimizer=dict(type=SGD, lr=0.1))
val_evaluator = [dict(type=LongTailMetric, many=5)]
default_hooks = dict(checkpoint=dict(type=CheckpointHook), logger=dict(type=LoggerHook))
backbone = dict(layer=nn.LayerNorm)
"""


def own_class():
    """A user's own class of a name that MMEngine has."""
    return type('CheckpointHook', (CheckpointHook,), {'__module__': __name__})


class TestTypeName:
    @pytest.mark.parametrize(
        'kind',
        [
            'CheckpointHook',
            'mmengine.CheckpointHook',
            'mmengine.hooks.CheckpointHook',
            'mmengine.hooks.checkpoint_hook.CheckpointHook',
            'mmpretrain.CheckpointHook',
            CheckpointHook,
            LazyObject('mmengine.hooks', 'CheckpointHook'),
            LazyObject('mmengine.hooks').CheckpointHook,
        ],
    )
    def test_all_names_of_a_class(self, kind):
        assert type_name(dict(type=kind)) == 'CheckpointHook'
        assert is_type(dict(type=kind), 'LoggerHook', 'CheckpointHook')

    @pytest.mark.parametrize(
        ('kind', 'name'),
        [
            ('mmpretrain.models.ImageClassifier', 'ImageClassifier'),
            ('mmpretrain.models.heads.LinearClsHead', 'LinearClsHead'),
            ('mmcv.transforms.RandomFlip', 'RandomFlip'),
            ('torch.optim.SGD', 'SGD'),
            ('torch.nn.BatchNorm2d', 'BN'),
            ('rcl_mm.evaluation.LongTailMetric', 'LongTailMetric'),
            ('mmengine.optim.AmpOptimWrapper', 'AmpOptimWrapper'),
            ('mmpretrain.torchvision/RandomCrop', 'torchvision/RandomCrop'),
            (LongTailMetric, 'LongTailMetric'),
            (AmpOptimWrapper, 'AmpOptimWrapper'),
        ],
    )
    def test_of_other_libraries(self, kind, name):
        assert type_name(dict(type=kind)) == name

    def test_another_class_of_the_same_name(self, monkeypatch):
        assert not is_type(dict(type=own_class()), 'CheckpointHook')
        assert type_name(dict(type='my_package.CheckpointHook')) == 'my_package.CheckpointHook'
        monkeypatch.setattr(mmengine.hooks, 'MyHook', own_class(), raising=False)
        assert not is_type(dict(type='mmengine.hooks.MyHook'), 'CheckpointHook')

    @pytest.mark.parametrize('config', [None, 3, 'CheckpointHook', {}, dict(type=None), []])
    def test_no_type(self, config):
        assert type_name(config) is None and not is_type(config, 'CheckpointHook')

    def test_nothing_is_imported(self):
        """The config of a checkpoint must not run a module by naming it."""
        assert type_name(dict(type='antigravity.fly')) == 'antigravity.fly'


class TestUseTextTypes:
    def test_new_style_config(self, tmp_path):
        path = tmp_path / 'new.py'
        path.write_text(NEW_STYLE)
        cfg = read_config(str(path))
        assert cfg.optim_wrapper.optimizer.type == 'torch.optim.SGD'
        assert cfg.val_evaluator[0].type == 'rcl_mm.evaluation.LongTailMetric'
        assert cfg.default_hooks.checkpoint.type == 'mmengine.hooks.CheckpointHook'
        assert 'SGD' not in cfg and cfg.backbone.layer.__name__ == 'LayerNorm'
        cfg.dump(str(tmp_path / 'dump.py'))
        again = Config.fromfile(tmp_path / 'dump.py')
        assert again.default_hooks == cfg.default_hooks

    def test_classes_in_a_config_made_by_hand(self):
        cfg = Config(dict(default_hooks=dict(checkpoint=dict(type=CheckpointHook))))
        use_text_types(cfg)
        assert cfg.default_hooks.checkpoint.type.endswith('checkpoint_hook.CheckpointHook')
        assert 'CheckpointHook' in cfg.pretty_text

    def test_a_name_that_is_not_there(self, tmp_path):
        path = tmp_path / 'new.py'
        path.write_text(NEW_STYLE.replace('LoggerHook', 'LogerHook'))
        with pytest.raises(ValueError, match='can not be read: ImportError: .*LogerHook'):
            read_config(str(path))
