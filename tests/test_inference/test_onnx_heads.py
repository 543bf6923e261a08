"""The exported file gives what predict gives for an image file, or nothing is exported."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from rcl_mm.errors import InputError
from rcl_mm.inference.classifier import Classifier
from rcl_mm.inference.onnx_export import ExportedClassifier, check_against_files

LOAD, RESIZE, PACK = (
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(24, 16)),
    dict(type='PackInputs'),
)
LINEAR = dict(type='LinearClsHead', num_classes=3, in_channels=64)


def classifier(head=LINEAR, steps=(LOAD, RESIZE, PACK), **preprocessor):
    settings = dict(type='ClsDataPreprocessor', mean=[120.0, 110.0, 90.0], std=[60.0] * 3)
    model = dict(
        type='ImageClassifier',
        data_preprocessor={**settings, 'to_rgb': True, **preprocessor},
        backbone=dict(type='CIFARResNet', depth=8),
        neck=dict(type='GlobalAveragePooling'),
        head=head,
    )
    cfg = Config(dict(model=model, test_dataloader=dict(dataset=dict(pipeline=list(steps)))))
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return Classifier(MODELS.build(cfg.model.to_dict()).eval(), cfg, tuple('abc'))


def check(one):
    module = ExportedClassifier(one).eval()
    check_against_files(one, module, module, (16, 24))


class TestCheckAgainstFiles:
    @pytest.mark.parametrize(
        'head',
        [
            LINEAR,
            {**LINEAR, 'type': 'MultiLabelLinearClsHead'},
            {**LINEAR, 'type': 'RCLHead', 'embedding_dim': 8},
            {**LINEAR, 'type': 'StackedLinearClsHead', 'mid_channels': [16]},
            {**LINEAR, 'type': 'ArcFaceClsHead'},
            {**LINEAR, 'type': 'EfficientFormerClsHead'},
        ],
    )
    def test_heads(self, head):
        check(classifier(head))

    @pytest.mark.parametrize(
        'settings', [dict(pad_size_divisor=32), dict(pad_size_divisor=32, pad_value=3), {}]
    )
    @pytest.mark.parametrize('to_rgb', [True, False])
    @pytest.mark.parametrize('load', ['LoadImageFromFile', 'LoadCheckedImage'])
    def test_padding_and_channels(self, load, to_rgb, settings):
        check(classifier(steps=(dict(type=load), RESIZE, PACK), to_rgb=to_rgb, **settings))

    @pytest.mark.parametrize(
        'steps',
        [
            (LOAD, RESIZE, dict(type='Normalize', mean=[9.0] * 3, std=[9.0] * 3), PACK),
            (LOAD, RESIZE, dict(type='NumpyToPIL'), dict(type='torchvision/ToTensor'), PACK),
            (LOAD, RESIZE, dict(type='Pad', size=(32, 32)), PACK),
            (LOAD, dict(type='Resize', scale=(8, 8)), PACK),
        ],
    )
    def test_other_pipelines__refused(self, steps):
        with pytest.raises(InputError, match='would get .* in the exported file'):
            check(classifier(steps=steps))

    def test_head_with_two_scores__refused(self):
        one = classifier()
        head = dict(type='ConformerHead', num_classes=3, in_channels=[64, 64])
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            one.model.head = MODELS.build(head)
        one.model.head.pre_logits = lambda feats: (feats[-1], feats[-1])
        with pytest.raises(InputError, match='ConformerHead can not be exported'):
            ExportedClassifier(one)(torch.rand(1, 3, 16, 24))

    def test_no_image_classifier__refused(self):
        with pytest.raises(InputError, match='Linear can not be exported'):
            ExportedClassifier(Classifier(torch.nn.Linear(2, 2), classifier().config, ()))
