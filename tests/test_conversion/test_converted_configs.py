"""MMPretrain's own configs as RCL: each built and stepped at its own input size."""

import importlib.util

import pytest
from small_images import REPOSITORY

SCRIPT = REPOSITORY / 'docs/examples/conversion_table.py'


def load_script():
    spec = importlib.util.spec_from_file_location('conversion_table', SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


conversion_table = load_script()
# The cheapest of them, under a second each; the others are for make soak.
QUICK = (
    'resnet/resnet18_8xb16_cifar10.py',
    'regnet/regnetx-400mf_8xb128_in1k.py',
    'mobilenet_v2/mobilenet-v2_8xb32_in1k.py',
    'mobilenet_v3/mobilenet-v3-small-050_8xb128_in1k.py',
    'mobilenet_v3/mobilenet-v3-small_8xb16_cifar10.py',
    'shufflenet_v1/shufflenet-v1-1x_16xb64_in1k.py',
    'shufflenet_v2/shufflenet-v2-1x_16xb64_in1k.py',
    'efficientnet/efficientnet-b0_8xb32_in1k.py',
    'efficientnet_v2/efficientnetv2-b0_8xb32_in1k.py',
    'convnext_v2/convnext-v2-atto_32xb32_in1k.py',
    'edgenext/edgenext-xxsmall_8xb256_in1k.py',
    'mobilevit/mobilevit-xxsmall_8xb128_in1k.py',
    'deit/deit-tiny_4xb256_in1k.py',
    'xcit/xcit-nano-12-p16_8xb128_in1k.py',
)


def families(names):
    return {name.partition('/')[0] for name in names}


def test_enough_of_them():
    assert set(QUICK) <= set(conversion_table.CONFIGS)
    assert len(conversion_table.CONFIGS) >= 25 and len(families(conversion_table.CONFIGS)) >= 12
    assert len(families(QUICK)) >= 12


@pytest.mark.parametrize('name', QUICK)
@pytest.mark.filterwarnings('ignore')
def test_step(name):
    row = conversion_table.step(name)
    assert row['family'] == name.partition('/')[0]


@pytest.mark.slow
@pytest.mark.parametrize('name', sorted(set(conversion_table.CONFIGS) - set(QUICK)))
@pytest.mark.filterwarnings('ignore')
def test_step__larger(name):
    conversion_table.step(name)


def test_table_in_the_docs_is_of_these_configs():
    text = (REPOSITORY / 'docs/conversion_table.md').read_text(encoding='utf-8')
    missing = [name for name in conversion_table.CONFIGS if f'| {name} ' not in text]
    assert not missing
    assert text.count('\n| ') == len(conversion_table.CONFIGS) + 1
