"""A checkpoint's config builds known parts only: no code, no downloads, no files of its choice."""

import copy
import os
import socket
import sys

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from small_images import write_digits

from rcl_mm.apis import checkpoint_config, load_classifier, predict_images
from rcl_mm.runtime.recorded_config import find_allowed, only_registered

from .test_inference import PIPELINE, settings, write_checkpoint

SHELL = dict(type='os.system', command='touch was_here')
STEPS = 'test_dataloader.dataset.pipeline'
CONV = dict(type='ConvModule', in_channels=3, out_channels=4, kernel_size=3)


def hostile(key, value):
    """The usual config with one setting put in, and where it is."""
    cfg = Config(settings())
    if key.startswith(STEPS):
        cfg.test_dataloader.dataset.pipeline.insert(1, value)
    else:
        cfg.merge_from_dict({key: value})
    return cfg


def rewritten(path, cfg, source):
    """A good checkpoint that says it was trained with another config."""
    contents = torch.load(source, weights_only=True)
    contents['meta']['cfg'] = cfg.pretty_text
    torch.save(contents, path)
    return str(path)


CASES = {
    'model': ('model', {**SHELL, '_delete_': True}),
    'module': ('model.backbone', dict(_delete_=True, type='local_evil')),
    'backbone': ('model.backbone', dict(_delete_=True, type='subprocess.check_output', args='ls')),
    'head': ('model.head.loss', SHELL),
    'neck in a list': ('model.neck', [dict(type='GlobalAveragePooling'), SHELL]),
    'batch augments': (
        'model.data_preprocessor',
        dict(_delete_=True, type='ClsDataPreprocessor', batch_augments=dict(augments=[SHELL])),
    ),
    'train_cfg': ('model.train_cfg', dict(augments=(SHELL,))),
    'tuple in a list': ('model.backbone.plugins', [(1, (SHELL,))]),
    'top preprocessor': ('data_preprocessor', SHELL),
    'pipeline': (STEPS, SHELL),
    'nested pipeline': (STEPS, dict(type='RandomApply', transforms=[[SHELL]])),
    'validation': ('val_dataloader', dict(dataset=dict(pipeline=[SHELL]))),
    'inner data set': ('val_dataloader', dict(dataset=dict(dataset=dict(pipeline=[SHELL])))),
    'test-time augmentation': ('tta_model', SHELL),
    'its pipeline': ('tta_pipeline', [SHELL]),
    'initialisation': ('model.head.init_cfg', SHELL),
    'initialisation in it': ('model.head.init_cfg', dict(type='Normal', override=[SHELL])),
    'norm': ('model.backbone.norm_cfg', dict(type='os.system')),
    'scope': ('model.backbone._scope_', 'local_evil'),
    'torch': ('model.neck', dict(_delete_=True, type='torch.hub.load', repo_or_dir='a/b')),
    'mmengine function': (
        'model.neck',
        dict(_delete_=True, type='mmengine.utils.package_utils.call_command', cmd=['ls']),
    ),
    'mmengine load': ('model.neck', dict(_delete_=True, type='mmengine.load', file='x.pkl')),
    'of our own': ('model.neck', dict(_delete_=True, type='rcl_mm.runtime.run_lock.hold_folder')),
    'no class': ('model.neck', dict(_delete_=True, type='rcl_mm.models.heads.CLASSIFIERS')),
    'number': ('model.neck', dict(_delete_=True, type=3)),
    # Looked up, or evaluated, without being a `type`.
    'padding': ('model.neck', dict(_delete_=True, **CONV, padding_mode='os.system')),
    'norm of timm': (
        'model.backbone',
        dict(_delete_=True, type='TIMMBackbone', model_name='resnet18', norm_layer='os.system'),
    ),
    'dtype': (
        STEPS,
        dict(
            type='torchvision/ConvertImageDtype', dtype='float32 if __import__("os").abort() else 0'
        ),
    ),
    # Downloads and files.
    'hub': (
        'model.backbone',
        dict(_delete_=True, type='TIMMBackbone', model_name='hf-hub:evil/model'),
    ),
    'folder': (
        'model.backbone',
        dict(_delete_=True, type='FrozenTIMMBackbone', model_name='local-dir:/tmp/model'),
    ),
    'hugging face': (
        'model',
        dict(_delete_=True, type='HuggingFaceClassifier', model_name='google', pretrained=True),
    ),
    'retriever': ('model', dict(_delete_=True, type='ImageToImageRetriever', prototype='x.pth')),
    'answers': ('model.head', dict(_delete_=True, type='VQAGenerationHead')),
    'tokenizer': ('model.neck', dict(_delete_=True, type='CLIPGenerator', tokenizer_path='x')),
    'margins': (
        'model.head',
        dict(_delete_=True, type='ArcFaceClsHead', num_classes=3, in_channels=64, margins='x.txt'),
    ),
    'address': ('model.backbone.extra', 'http://localhost:1/model.pth'),
    'secret': ('model.backbone.extra', '/etc/passwd'),
}


@pytest.fixture(scope='module')
def good(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp('recorded') / 'good.pth')


@pytest.fixture(autouse=True)
def nothing_else_happens(tmp_path, monkeypatch):
    """No network, no marker, and no module of the working folder is imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ('local_evil.py', 'local_evil/registry.py'):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("open('was_here', 'w').close()")
    (tmp_path / 'local_evil/__init__.py').write_text("open('was_here', 'w').close()")

    def no_network(*_):
        raise AssertionError('asks for an address')

    monkeypatch.setattr(socket.socket, 'connect', no_network)
    yield
    assert not os.path.exists('was_here') and 'local_evil' not in sys.modules


class TestHostileConfig:
    @pytest.mark.parametrize('case', CASES)
    def test_refused_in_one_line__before_anything_is_built(self, good, tmp_path, case):
        path = rewritten(tmp_path / 'evil.pth', hostile(*copy.deepcopy(CASES[case])), good)
        with pytest.raises(
            ValueError, match=r'evil.pth" records a config that .*\(--config\)'
        ) as e:
            load_classifier(path)
        assert '\n' not in str(e.value) and len(str(e.value)) < 400
        if case != 'retriever':
            with pytest.raises(ValueError, match='is refused'):
                checkpoint_config(path)

    @pytest.mark.parametrize('tool', ['predict', 'export_onnx'])
    def test_tools__one_line_and_code_1(self, good, tmp_path, run_tool, capsys, tool):
        path = rewritten(tmp_path / 'evil.pth', hostile(*CASES['head']), good)
        images = write_digits(tmp_path / 'images', {'a': 1})
        arguments = {'predict': [images], 'export_onnx': ['-o', 'model.onnx']}[tool]
        assert run_tool(f'tools/{tool}.py', path, *arguments) == 1
        error = capsys.readouterr().err
        assert "model.head.loss has type='os.system'" in error and 'Traceback' not in error
        assert error.strip().count('\n') == 0 and not os.path.exists('model.onnx')

    @pytest.mark.parametrize(
        'text',
        [
            'model = {[]: 1}',
            'model = {{1}}',
            'filename = 1',
            f'model = {"(" * 150}1{")" * 150}',
            'model = -"a"',
            'model = 3',
            'a = 1',
            'model = dict(type="ResNet", depth=50)',
            'model = dict(type="ImageClassifier", backbone=dict(type="ResNet", depth="x"))',
            'model = dict(type="ImageClassifier", nothing=1)',
        ],
    )
    def test_no_config_of_a_classifier__one_line(self, good, tmp_path, text):
        contents = torch.load(good, weights_only=True)
        contents['meta']['cfg'] = text
        torch.save(contents, tmp_path / 'odd.pth')
        with pytest.raises(ValueError, match='config') as error:
            load_classifier(str(tmp_path / 'odd.pth'))
        assert '\n' not in str(error.value)


class TestHarmlessConfig:
    def same_predictions(self, path, good, images):
        files = [str(images / 'a/0.jpg')]
        (one,), (other,) = (
            list(predict_images(load_classifier(checkpoint), files)) for checkpoint in (path, good)
        )
        assert one == other

    @pytest.mark.parametrize(
        'key, value',
        [
            ('custom_imports', dict(imports=['local_evil'], allow_failed_imports=False)),
            ('default_scope', 'local_evil'),
            ('custom_hooks', [SHELL]),
            ('visualizer', SHELL),
            ('train_cfg', SHELL),
            ('optim_wrapper', dict(optimizer=SHELL)),
            ('load_from', 'http://localhost:1/x.pth'),
            ('model.pretrained', 'http://localhost:1/x.pth'),
            ('model.backbone.init_cfg', dict(type='Pretrained', checkpoint='http://localhost:1/x')),
            ('model.head.loss', dict(type='RCLLoss', class_counts='/etc/passwd')),
            ('test_dataloader.dataset.ann_file', '/etc/passwd'),
            ('test_dataloader.dataset.type', 'os.system'),
            ('test_dataloader.collate_fn', SHELL),
            ('train_dataloader', dict(dataset=dict(pipeline=[dict(type='MyOwnAugmentation')]))),
        ],
        ids=lambda value: value if isinstance(value, str) else '',
    )
    def test_what_is_not_needed__is_neither_used_nor_a_reason_to_refuse(
        self, good, tmp_path, key, value
    ):
        path = rewritten(tmp_path / 'odd.pth', hostile(key, value), good)
        images = write_digits(tmp_path / 'images', {'a': 1})
        self.same_predictions(path, good, images)
        text = checkpoint_config(path).pretty_text
        assert 'local_evil' not in text and 'localhost' not in text and 'passwd' not in text
        assert 'os.system' not in text

    @pytest.mark.parametrize(
        'changes',
        [
            {'model.type': 'mmpretrain.ImageClassifier', 'model.head.type': 'mmengine.RCLHead'},
            {
                'model.type': 'mmpretrain.models.ImageClassifier',
                'model.backbone.type': 'rcl_mm.models.backbones.CIFARResNet',
                'model.head.type': 'rcl_mm.models.RCLHead',
                'model.neck.type': 'mmpretrain.models.necks.gap.GlobalAveragePooling',
            },
            {'model.backbone._scope_': 'mmpretrain'},
        ],
        ids=['scopes', 'dump of a lazy config', '_scope_'],
    )
    def test_other_names_of_known_parts__build(self, good, tmp_path, changes):
        cfg = Config(settings())
        cfg.merge_from_dict(changes)
        path = rewritten(tmp_path / 'named.pth', cfg, good)
        self.same_predictions(path, good, write_digits(tmp_path / 'images', {'a': 1}))

    def test_torchvision_and_own_config__still_work(self, good, tmp_path):
        pipeline = [*PIPELINE]
        pipeline.insert(1, dict(type='torchvision/CenterCrop', size=8))
        pipeline.insert(1, dict(type='NumpyToPIL'))
        pipeline.insert(3, dict(type='PILToNumpy'))
        load_classifier(rewritten(tmp_path / 'v.pth', Config(settings(pipeline)), good))
        # One's own config is a program of one's own.
        cfg = Config(settings())
        cfg.model.neck.type = 'torch.nn.Identity'
        cfg.dump(tmp_path / 'mine.py')
        load_classifier(good, str(tmp_path / 'mine.py'))


class TestOnlyRegistered:
    def test_names_that_layers_look_up__are_watched_only_inside(self):
        with only_registered():
            assert MODELS.get('RCLHead') is find_allowed('RCLHead')
            for name in ('os.system', 'torch.hub.load', 'HuggingFaceClassifier', 'local_evil'):
                with pytest.raises(ValueError, match='not allowed'):
                    MODELS.get(name)
        assert MODELS.get('torch.nn.Identity') is torch.nn.Identity
