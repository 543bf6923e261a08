"""docs/examples: the loops run and learn."""

import importlib.util
import re

from small_images import REPOSITORY


def load(name):
    path = REPOSITORY / f'docs/examples/{name}.py'
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, path.read_text(encoding='utf-8')


def test_plain_loop():
    """Ten classes: chance is 10 %."""
    module, text = load('plain_loop')
    assert set(re.findall(r'rcl_mm[.\w]*', text)) == {'rcl_mm.functional'}
    assert module.train(epochs=12) > 60


def test_finetune_timm():
    module, _ = load('finetune_timm')
    assert module.finetune('test_resnet', epochs=6) > 30
