"""The six rows of the ablation: one loss, and the switches of METHOD's table."""

import re

import pytest

from .catalogue import differences, load

DATA = ['resnet8_digits_lt', 'resnet32_cifar10_lt', 'resnet32_cifar100_lt']
DATA += ['resnet32_cifar10_jpeg_lt_resident']
# gamma, class averaging, class complement, feature scale (None: of the data's RCL), classifier.
ROWS = {
    'supcon/{}': (0.0, False, False, 1.0, True),
    'ablation/{}_2_class_averaging': (0.0, True, False, 1.0, True),
    'bcl/{}': (0.0, True, True, 1.0, True),
    'ablation/{}_4_rebalanced': (1.0, True, True, 1.0, True),
    'rcl/{}': (1.0, True, True, None, True),
    'rcl/{}_standalone': (1.0, True, True, None, False),
}
# What the sweep on validation images chose (docs/results.md), where it is not RCLLoss's default.
RCL_SCALES = {'resnet8_digits_lt': 0.7071}


def config_of(row: str, data: str) -> str:
    name = row.format(data)
    return name.replace('_resident_standalone', '_standalone_resident') + '.py'


@pytest.mark.parametrize('row', ROWS)
@pytest.mark.parametrize('data', DATA)
def test_switches_of_the_row(data, row) -> None:
    gamma, averaging, complement, scale, classifier = ROWS[row]
    if scale is None:
        scale = RCL_SCALES.get(data)
    head = load(config_of(row, data)).model.head
    loss = head.loss
    switches = (
        loss.get('prior_power', 1.0),
        loss.get('class_averaging', True),
        head.get('prototypes', 'projected') is not None,
        loss.get('feature_scale'),
        loss.get('cls_weight', 1.0) > 0,
    )
    assert switches == (gamma, averaging, complement, scale, classifier)


@pytest.mark.parametrize('row', ROWS)
@pytest.mark.parametrize('data', DATA)
def test_rows_differ_in_nothing_else(data, row) -> None:
    keys = set(differences(f'rcl/{data}.py', config_of(row, data)))
    if row == 'rcl/{}_standalone':
        # Without a classifier there is no view for it.
        keys = {k for k in keys if not re.search('pipeline|view_augments', k)}
    assert all(k.startswith('model.head.') for k in keys)
    kept = ('type', 'num_classes', 'in_channels', 'embedding_dim', 'hidden_dim')
    assert not keys & {f'model.head.{k}' for k in (*kept, 'loss.temperature')}
