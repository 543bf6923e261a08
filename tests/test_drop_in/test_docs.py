"""docs/drop_in.md: every snippet and every command on the page is run, in its order."""

import contextlib
import re
import shlex
import shutil

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from mmengine.runner import save_checkpoint
from small_images import MMPRETRAIN_CONFIGS, REPOSITORY, write_digits

from rcl_mm.conversion import REFUSED

PAGE = (REPOSITORY / 'docs/drop_in.md').read_text(encoding='utf-8')
BLOCKS = re.findall(r'```(python|bash)\n(.*?)```', PAGE, flags=re.DOTALL)
CONFIG_NAME = re.compile(r'# (\w+\.py)\n')
# The page's training, made short: one epoch of a small network on small images.
SHORT = (
    'train_cfg.max_epochs=1',
    'train_dataloader.batch_size=4',
    'train_dataloader.num_workers=0',
    'val_dataloader.num_workers=0',
    'test_dataloader.num_workers=0',
)
SMALL_VIT = (
    'model.backbone.pretrained=False',
    'model.backbone.model_name=vit_tiny_patch16_224',
    'model.head.in_channels=192',
)
MY_CONFIG = """
_base_ = '{base}'
# Digits in place of CIFAR-10, which would have to be downloaded.
train_dataloader = dict(dataset=dict(_delete_=True, type='DigitsLT', imbalance_factor=4, img_max=4,
    pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(_delete_=True, type='DigitsLT', split='val', indices=8,
    pipeline=_base_.test_pipeline))
custom_imports = dict(imports=['rcl_mm'])
model = dict(backbone=dict(_delete_=True, type='CIFARResNet', depth=8), head=dict(in_channels=64))
"""


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """A user's folder: tools and configs as in the repository, images, a config of their own."""
    folder = tmp_path_factory.mktemp('docs')
    for name in ('tools', 'configs', 'rcl_mm'):
        (folder / name).symlink_to(REPOSITORY / name)
    write_digits(folder / 'data/my_images', dict(a=8, b=4, c=2, d=1))
    base = MMPRETRAIN_CONFIGS / 'resnet/resnet18_8xb16_cifar10.py'
    (folder / 'my_config.py').write_text(MY_CONFIG.format(base=base))
    torch.manual_seed(0)
    backbone = dict(type='ResNet_CIFAR', depth=18, out_indices=(3,), _scope_='mmpretrain')
    weights = {f'backbone.{k}': v for k, v in MODELS.build(backbone).state_dict().items()}
    save_checkpoint({'state_dict': weights}, str(folder / 'pretrained.pth'))
    return folder


def in_place(block):
    """Whether a Python block is a config file of the page."""
    return CONFIG_NAME.match(block)


def shortened(command):
    """A command of the page with settings that make its training short."""
    words = shlex.split(command)[1:]
    if words[0] != 'tools/train.py':
        return words
    options = [*SHORT, *(SMALL_VIT if 'timm_vit' in command else ())]
    if '--cfg-options' not in words:
        words.append('--cfg-options')
    return [*words, *options]


def check_config(path):
    """A config of the page builds, and its loss and head are those that the page speaks of."""
    cfg = Config.fromfile(path)
    torch.manual_seed(0)
    model_cfg = dict(cfg.model)
    model_cfg.setdefault('data_preprocessor', cfg.get('data_preprocessor'))
    model = MODELS.build(model_cfg)
    assert type(model.head.loss_module).__name__ == 'RCLLoss'
    model.head.loss_module.set_class_counts(np.arange(model.head.num_classes, 0, -1))
    if path.name == 'finetune.py':
        model.init_weights()
        saved = torch.load(path.parent / 'pretrained.pth', weights_only=True)['state_dict']
        assert torch.equal(model.backbone.conv1.weight, saved['backbone.conv1.weight'])
        assert not model.backbone.layer1[0].conv1.weight.requires_grad
        assert model.backbone.layer2[0].conv1.weight.requires_grad
    if 'rcl' in str(cfg.get('load_from')) or path.name.startswith('other'):
        assert type(model.head).__name__ == 'RCLHead' and model.head.num_classes == 1000
        return
    views = 2 if type(model.head).__name__ == 'RCLHead' else 1
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    from mmpretrain.structures import DataSample

    data = dict(
        inputs=[images] * views if views > 1 else images,
        data_samples=[DataSample().set_gt_label(label) for label in range(3)],
    )
    losses = model(**model.data_preprocessor(data, training=True), mode='loss')
    total, _ = model.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total)


def test_page_has_what_is_run():
    configs = [in_place(block).group(1) for kind, block in BLOCKS if in_place(block)]
    assert configs == [
        'loss_only.py',
        'with_head.py',
        'with_timm.py',
        'finetune.py',
        'other_project.py',
        'other_script.py',
    ]
    assert len([kind for kind, _ in BLOCKS if kind == 'bash']) == 2


@pytest.mark.filterwarnings('ignore')
def test_every_snippet(place, run_tool, monkeypatch):
    monkeypatch.chdir(place)
    namespace = {}
    for kind, block in BLOCKS:
        config = in_place(block)
        if config:
            path = place / config.group(1)
            path.write_text(block)
            check_config(path)
        elif kind == 'python':
            with contextlib.chdir(place):
                exec(compile(block, 'docs/drop_in.md', 'exec'), namespace)
        else:
            for command in block.strip().splitlines():
                assert run_tool(*shortened(command)) == 0, command
                if 'timm_vit' in command:
                    shutil.copy('work_dirs/mine/epoch_1.pth', 'work_dirs/mine/last.pth')
    # What the commands and snippets of the page promise to leave behind.
    converted = Config.fromfile(place / 'my_rcl_config.py')
    assert converted.model.head.type == 'RCLHead' and converted.model.head.in_channels == 64
    assert namespace['cfg'].train_dataloader.dataset.pipeline[0].num_views == 2
    assert (place / 'work_dirs/my_rcl_config/epoch_1.pth').is_file()
    assert (place / 'work_dirs/my_config/epoch_1.pth').is_file()
    assert len((place / 'predictions.csv').read_text().splitlines()) == 16
    assert (place / 'model.onnx').is_file()
    assert namespace['result']['pred_class'] in ('a', 'b', 'c', 'd')


def test_heads_of_the_page_are_those_of_the_code():
    from .test_stock_heads import single_label_heads

    named = re.findall(r'^\| (\w+Head) \|', PAGE, flags=re.MULTILINE)
    assert sorted(named) == single_label_heads()
    for name, answer in re.findall(r'^\| (\w+Head) \|.*\| (.*) \|$', PAGE, flags=re.MULTILINE):
        assert answer.startswith('no') == (name in REFUSED), name
