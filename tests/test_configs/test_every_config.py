"""Every config of configs/: its head comment, its model, its parameters, a step at real size."""

import re

import numpy as np
import pytest
from mmpretrain.registry import MODELS
from torchvision.models import resnet152

from .catalogue import ROOT, all_configs, benchmark_configs, load, number_of_views
from .steps import full_step, head_step, input_size, parameters

# Parameters without the classifier: torchvision's figures for 1,000 classes (25,557,032,
# 25,028,904 and 60,192,808) less 2,048 * 1,000 + 1,000; He et al.'s 0.46 M for ResNet-32.
BACKBONES = {
    ('ResNet', 50): 23_508_032,
    ('ResNeXt', 50): 22_979_904,
    ('ResNet', 152): 58_143_808,
    ('CIFARResNet', 32): 463_504,
    ('CIFARResNet', 8): 74_640,
}
FULL_STEPS = ('resnext50_imagenet_lt', 'resnet50_imagenet_lt', 'resnet152_places_lt')
IS_LARGE = re.compile(r'imagenet|inaturalist|places')


def head_parameters(head: dict) -> int:
    """Parameters of a head, from its dimensions."""
    classes, width = head['num_classes'], head['in_channels']
    classifier = classes * width
    if head['type'] == 'LinearClsHead':
        return classifier + classes
    if head['type'] == 'CosineClsHead':
        return classifier
    hidden, embedding = head.get('hidden_dim', width), head.get('embedding_dim', 128)
    # Linear, batch norm, linear.
    mlp = (width + 1) * hidden + 2 * hidden + (hidden + 1) * embedding
    kind = head.get('classifier', 'linear')
    classifier = {'linear': classifier + classes, 'cosine': classifier, None: 0}[kind]
    prototypes = {'projected': mlp, 'learnable': classes * embedding, None: 0}
    return classifier + mlp + prototypes[head.get('prototypes', 'projected')]


@pytest.mark.parametrize('name', all_configs())
def test_head_comment_gives_recipe_memory_and_command(name) -> None:
    comment = []
    for line in (ROOT / 'configs' / name).read_text().splitlines():
        if not line.startswith('#'):
            break
        comment.append(line)
    text = '\n'.join(comment)
    assert f'configs/{name}' in comment[-1] or 'folder_lt' in name, 'the command comes last'
    if 'folder_lt' not in name:
        assert re.search(r'^# Recipe: \S', text, re.M)
        assert re.search(r'^# Memory: \S', text, re.M)


@pytest.mark.parametrize('name', benchmark_configs())
def test_model_has_the_known_number_of_parameters(name) -> None:
    model = load(name).model
    backbone = BACKBONES[model.backbone.type, model.backbone.depth]
    assert parameters(name) == (backbone, backbone + head_parameters(model.head))


@pytest.mark.parametrize('name', benchmark_configs())
def test_training_step_at_real_size(name) -> None:
    views = number_of_views(name)
    head = load(name).model.head
    if not IS_LARGE.search(name) or name in [f'rcl/{stem}.py' for stem in FULL_STEPS]:
        losses = full_step(name)
    else:
        # The backbones are stepped as a whole once each, above; here what differs behind them.
        losses, gradient = head_step(name, 3 if head.type == 'RCLHead' else 1)
        assert 0 < gradient < float('inf')
    if head.type != 'RCLHead':
        assert views == 1 or 'digits' in name
        assert set(losses) == {'loss'}
    else:
        expected = {
            part
            for part, weight in (('loss_cls', 'cls_weight'), ('loss_con', 'con_weight'))
            if head.loss.get(weight, 1.0)
        }
        assert set(losses) == expected
        assert views == 2 if 'loss_cls' not in expected else views in (2, 3)
    assert all(np.isfinite(value) and value > 0 for value in losses.values())


LARGE = [
    # Those of the same model are left out: other epochs, processes or augmentations.
    name
    for name in benchmark_configs()
    if IS_LARGE.search(name) and not re.search('_180e|_8gpu|_sim_rand|_rand_rand', name)
]


@pytest.mark.slow
@pytest.mark.parametrize('name', LARGE)
def test_large_models_step_as_a_whole(name) -> None:
    assert all(np.isfinite(value) for value in full_step(name).values())


@pytest.mark.parametrize('name', benchmark_configs())
def test_images_have_the_size_of_the_recipe(name) -> None:
    assert input_size(name) == (224 if IS_LARGE.search(name) else 32)


def test_pretrained_weights_are_known_to_mmengine() -> None:
    from mmengine.runner.checkpoint import get_torchvision_models

    backbone = load('rcl/resnet152_places_lt.py').model.backbone
    prefix, name = backbone.init_cfg.checkpoint.split('://')
    assert prefix == 'torchvision'
    # The first weights of torchvision, as PaCo's script loads them.
    assert get_torchvision_models()[name].endswith('/resnet152-394f9c45.pth')
    ours = {name for name, _ in MODELS.build(backbone).named_parameters()}
    theirs = {name for name, _ in resnet152().named_parameters()}
    assert theirs - ours == {'fc.weight', 'fc.bias'} and ours <= theirs
