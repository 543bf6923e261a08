"""Whole files that are not what a test or a resumed training needs: one line, nothing written."""

import shutil
from collections import OrderedDict

import pytest
import torch

from rcl_mm.cli.launch import main
from rcl_mm.runtime.checkpoint import load_checkpoint_file

from .same_run import checkpoint_differences

SCHEDULE = 'train_cfg.max_epochs=3'


@pytest.fixture
def trained(train, project):
    """Two epochs, of which the first is harmed in the tests."""
    assert train('work', 'train_cfg.max_epochs=2') == 0
    return project / 'work'


def change(path, edit):
    """Write a checkpoint anew; ``edit`` changes it, or gives what to write in its place."""
    contents = torch.load(path, weights_only=True)
    replacement = edit(contents)
    torch.save(contents if replacement is None else replacement, path)


def prefixed(prefix):
    def edit(contents):
        weights = contents['state_dict']
        contents['state_dict'] = OrderedDict((prefix + k, v) for k, v in weights.items())

    return edit


def without(*names):
    def edit(contents):
        for name in names:
            del contents[name]

    return edit


def put(*keys, value):
    def edit(contents):
        for key in keys[:-1]:
            contents = contents[key]
        contents[keys[-1]] = value

    return edit


def no_counts(contents):
    del contents['state_dict']['head.loss_module.class_counts']


def other_optimizer(contents):
    weight = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.Adam([weight])
    weight.sum().backward()
    optimizer.step()
    saved = optimizer.state_dict()
    groups = contents['optimizer']['param_groups']
    plain = {k: v for k, v in saved['param_groups'][0].items() if k != 'params'}
    contents['optimizer']['param_groups'] = [{**plain, 'params': g['params']} for g in groups]


def momentum_of_another_shape(contents):
    values = next(iter(contents['optimizer']['state'].values()))
    values['momentum_buffer'] = torch.zeros(3, 5)


def renamed(part):
    def edit(contents):
        weights = contents['state_dict']
        contents['state_dict'] = {k.replace(part, 'other.'): v for k, v in weights.items()}

    return edit


def more_classes(contents):
    weights = contents['state_dict']
    weights['head.fc.weight'] = torch.zeros(12, 16)
    weights['head.fc.bias'] = torch.zeros(12)


NOT_OF_THIS_MODEL = {
    'none': (put('state_dict', value={}), 'is empty'),
    'other names': (renamed('backbone.'), 'is not of this model: 6 weights are missing'),
    'other head': (renamed('head.'), 'weights are too many'),
    'number of classes': (more_classes, 'head.fc.weight has shape (12, 16), the model has (10, 16'),
    'no tensors': (put('state_dict', 'head.fc.weight', value='text'), 'is no tensor'),
    'a list': (lambda contents: [contents], 'holds a list'),
    'a tensor': (lambda contents: torch.zeros(3), 'holds a Tensor'),
    'list of weights': (put('state_dict', value=[1]), 'is a list'),
    'meta is a text': (put('meta', value='text'), 'is a str'),
    'something else': (lambda contents: {'a': 1}, 'is no tensor'),
}
NOT_OF_A_TRAINING = {
    'weights alone': (lambda contents: contents['state_dict'], 'has no state_dict'),
    'published': (without('optimizer', 'message_hub'), 'has no message_hub'),
    'no optimizer': (without('optimizer'), 'has no optimizer'),
    'no meta': (without('meta'), 'has no meta'),
    'epoch is a text': (put('meta', 'epoch', value='1'), "meta.epoch is '1'"),
    'iteration is negative': (put('meta', 'iter', value=-1), 'meta.iter is -1'),
    'seed is a text': (put('meta', 'seed', value='x'), 'meta.seed'),
    'hub without parts': (put('message_hub', value={}), 'message_hub.log_scalars is no dict'),
    'optimizer is a list': (put('optimizer', value=[]), 'optimizer is a list'),
    'optimizer is empty': (put('optimizer', value={}), 'no param_groups and state'),
    'other optimizer': (other_optimizer, 'another one than SGD, without dampening, momentum'),
    'other groups': (
        lambda contents: contents['optimizer']['param_groups'][0]['params'].pop() and None,
        'groups of',
    ),
    'other shapes': (momentum_of_another_shape, 'has shape (3, 5), the weight'),
    'schedules are a number': (put('param_schedulers', value=3), 'param_schedulers'),
    'resume state is a list': (put('resume_state', value=[]), 'resume_state is no dict'),
    'random states are damaged': (put('resume_state', 'random_states', value=[{}]), 'no state of'),
    'averages of another model': (
        put('ema_state_dict', 'module.head.fc.weight', value=torch.zeros(2)),
        'ema_state_dict',
    ),
}


def run_test(project, checkpoint, *options):
    arguments = ['--work-dir', str(project / 'tested'), '--cfg-options', *options]
    return main('test', [str(project / 'config.py'), str(checkpoint), *arguments])


class TestOneLine:
    def test_test__and_results_of_before_stay(self, trained, project, capsys):
        (project / 'tested').mkdir()
        (project / 'tested/results.json').write_text('precious')
        for number, (edit, message) in enumerate(NOT_OF_THIS_MODEL.values()):
            harmed = shutil.copy(trained / 'epoch_1.pth', project / f'harmed_{number}.pth')
            change(harmed, edit)
            capsys.readouterr()
            assert run_test(project, harmed, f'experiment_name=wrong{number}') == 1
            error = capsys.readouterr().err.strip()
            assert message in error and 'Traceback' not in error and '\n' not in error, error
        assert (project / 'tested/results.json').read_text() == 'precious'

    @pytest.mark.parametrize('half', [0, 1])
    def test_resume__and_checkpoints_stay(self, train, trained, project, capsys, half):
        before = (trained / 'epoch_2.pth').read_bytes()
        cases = {**NOT_OF_A_TRAINING, 'model': NOT_OF_THIS_MODEL['number of classes']}
        for number, (edit, message) in enumerate([*cases.values()][half::2]):
            harmed = shutil.copy(trained / 'epoch_1.pth', project / f'harmed_{number}.pth')
            change(harmed, edit)
            capsys.readouterr()
            assert train('work', f'--resume={harmed}', SCHEDULE) == 1, message
            error = capsys.readouterr().err.strip()
            assert message in error and 'Traceback' not in error and '\n' not in error, error
        assert (trained / 'epoch_2.pth').read_bytes() == before

    def test_load_from__one_weight_is_enough_none_is_not(self, train, trained, project, capsys):
        harmed = shutil.copy(trained / 'epoch_1.pth', project / 'harmed.pth')
        change(harmed, renamed('head.'))
        assert train('fine', f'load_from={harmed}', 'train_cfg.max_epochs=1') == 0
        change(harmed, renamed('backbone.'))
        capsys.readouterr()
        assert train('none', f'load_from={harmed}', 'train_cfg.max_epochs=1') == 1
        error = capsys.readouterr().err
        assert 'has no weight of this model' in error and 'Traceback' not in error
        assert not list((project / 'none').glob('*.pth'))


class TestStillFine:
    @pytest.mark.parametrize(
        'edit',
        [
            lambda contents: contents['state_dict'],
            prefixed('module.'),
            prefixed('_orig_mod.'),
            prefixed('module._orig_mod.'),
            without('meta', 'optimizer', 'message_hub'),
            put('state_dict', 'head.loss_module.class_counts', value=torch.ones(3).long()),
            no_counts,
        ],
        ids=['weights alone', 'DDP', 'compiled', 'both', 'published', 'counts', 'no counts'],
    )
    def test_weights_of_this_model__test_the_same(self, trained, project, edit):
        harmed = shutil.copy(trained / 'epoch_2.pth', project / 'harmed.pth')
        change(harmed, edit)
        results = []
        for checkpoint in (harmed, trained / 'epoch_2.pth'):
            name = f'experiment_name={checkpoint.parent.name}{edit!r}'.replace(' ', '')
            assert run_test(project, checkpoint, name.replace('<', '').replace('>', '')) == 0
            results.append((project / 'tested/results.json').read_text().partition('"run"')[0])
        assert results[0] == results[1]

    def test_test_time_augmentation(self, trained, project):
        arguments = [str(project / 'config.py'), str(trained / 'epoch_2.pth'), '--tta']
        assert main('test', [*arguments, '--work-dir', str(project / 'tested')]) == 0

    def test_prefixes__resume_to_the_same_run(self, train, trained, project):
        assert train('straight', SCHEDULE) == 0
        change(trained / 'epoch_2.pth', prefixed('module.'))
        assert train('work', '--resume', SCHEDULE) == 0
        one, other = project / 'straight/epoch_3.pth', trained / 'epoch_3.pth'
        assert checkpoint_differences(one, other) == []
        assert 'state_dict' in load_checkpoint_file(other)
