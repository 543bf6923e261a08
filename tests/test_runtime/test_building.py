"""What registries refuse is one line; what goes wrong inside a class of ours is a traceback."""

import pytest
from mmengine.registry import DATASETS, HOOKS, LOOPS, MODELS, OPTIMIZERS, TRANSFORMS, Registry
from mmengine.registry import root as registries
from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS
from torch import nn

from rcl_mm.errors import InputError
from rcl_mm.runtime.building import refusing_settings_clearly
from rcl_mm.runtime.errors import report_errors


def refusal(registry, config):
    with refusing_settings_clearly(), pytest.raises(InputError) as raised:
        registry.build(config)
    return str(raised.value)


class Broken(nn.Module):
    """A module whose constructor has a fault of its own."""

    def __init__(self, error=None, depth=1):
        super().__init__()
        raise error or TypeError("'NoneType' object is not subscriptable")


@pytest.fixture
def broken_part():
    """``Broken``, as a module of this package and as one of a library."""
    MODELS.register_module(module=Broken)
    yield
    MODELS.module_dict.pop('Broken')


class TestRefusingSettingsClearly:
    @pytest.mark.parametrize(
        ('registry', 'config', 'message'),
        [
            (MODELS, dict(type='RCLLos'), '::model registry: did you mean RCLLoss?'),
            (DATASETS, dict(type='Nope'), '::dataset registry: correct it or import'),
            (HOOKS, dict(interval=1), 'has no type: give the name of a class in the hook registry'),
            (TRANSFORMS, 'Resize', "'Resize' is given for a part of the transform registry"),
            (
                MODELS,
                dict(type='RCLLoss', temprature=1),
                "RCLLoss() got an unexpected keyword argument 'temprature': did you mean",
            ),
            (
                LOOPS,
                dict(type='EpochBasedTrainLoop', max_epoch=1),
                "unexpected keyword argument 'max_epoch': did you mean max_epochs?",
            ),
            # The class hands what it does not know to the class that it inherits from.
            (
                MODELS,
                dict(type='mmpretrain.LinearClsHead', num_classes=2, in_channels=2, cal_ac=True),
                "LinearClsHead() got an unexpected keyword argument 'cal_ac': did you mean",
            ),
            (MODELS, dict(type='mmpretrain.LinearClsHead'), 'LinearClsHead needs num_classes, in_'),
            (
                OPTIMIZERS,
                dict(type='SGD', params=[nn.Parameter()], lr=-1),
                'SGD can not be built with these settings: Invalid learning rate: -1',
            ),
            (
                MODELS,
                dict(type='mmpretrain.ResNet', depth=49),
                'settings: invalid depth 49',
            ),
        ],
    )
    def test_what_was_given_and_what_is_allowed(self, registry, config, message):
        assert message in refusal(registry, config)

    def test_through_report_errors__one_line(self, capsys):
        assert report_errors(lambda: MODELS.build(dict(type='RCLLoss', temprature=1))) == 1
        error = capsys.readouterr().err
        assert "argument 'temprature'" in error and len(error.splitlines()) == 1

    @pytest.mark.parametrize('error', [ValueError('a bug'), KeyError('a'), None])
    def test_fault_of_a_class_of_ours__is_left_alone(self, error, broken_part, monkeypatch):
        """Also inside a part of a library, which is built from it."""
        monkeypatch.setattr(Broken, '__module__', 'rcl_mm.models.broken')
        config = dict(type='ImageClassifier', backbone=dict(type='Broken', error=error))
        with refusing_settings_clearly(), pytest.raises(type(error or TypeError())) as raised:
            MMPRETRAIN_MODELS.build(config)
        assert not isinstance(raised.value, InputError)

    @pytest.mark.parametrize('error', [ValueError('a bug'), None])
    def test_fault_of_a_users_class__is_left_alone(self, error, broken_part):
        with refusing_settings_clearly(), pytest.raises(type(error or TypeError())) as raised:
            MODELS.build(dict(type='Broken', error=error))
        assert not isinstance(raised.value, InputError)

    def test_registries_are_left_as_they_were(self):
        all_registries = [one for one in vars(registries).values() if isinstance(one, Registry)]
        before = [one.build_func for one in all_registries]
        with refusing_settings_clearly():
            assert [one.build_func for one in all_registries] != before
        assert [one.build_func for one in all_registries] == before
