"""From a one-view training pipeline to two or three views."""

import numpy as np
import pytest
from mmcv.transforms import Compose
from mmengine.config import Config
from mmpretrain.registry import TRANSFORMS
from small_images import MMPRETRAIN_CONFIGS

import rcl_mm
from rcl_mm.conversion import ConversionError
from rcl_mm.conversion.pipelines import multi_view_pipeline, output_size

LOAD, PACK = dict(type='LoadImageFromFile'), dict(type='PackInputs')
CROP = dict(type='RandomResizedCrop', scale=64, crop_ratio_range=(0.3, 1.0), backend='pillow')


class TestPipelines:
    def test_unknown_step(self):
        with pytest.raises(ConversionError, match='the step MyJitter is unknown'):
            multi_view_pipeline([LOAD, dict(type='MyJitter'), PACK], 3)

    def test_step_without_a_type(self):
        with pytest.raises(ConversionError, match='is unknown'):
            multi_view_pipeline([LOAD, dict(scale=3), PACK], 3)

    def test_several_views_already(self):
        step = dict(type='MultiView', num_views=2, transforms=[[CROP]])
        with pytest.raises(ConversionError, match='several views already'):
            multi_view_pipeline([LOAD, step, PACK], 3)

    def test_not_packed(self):
        with pytest.raises(ConversionError, match='ends in RandomResizedCrop, needed is'):
            multi_view_pipeline([LOAD, CROP], 3)

    def test_size_that_cannot_be_told(self):
        flip = dict(type='RandomFlip', prob=0.5)
        with pytest.raises(ConversionError, match='what size the images have'):
            multi_view_pipeline([LOAD, flip, PACK], 3)
        assert multi_view_pipeline([LOAD, flip, PACK], 2)[1]['num_views'] == 2

    def test_contrastive_views_take_over_crop_and_flip(self):
        flip = dict(type='RandomFlip', prob=0.3, direction='vertical')
        contrastive = multi_view_pipeline([LOAD, CROP, flip, PACK], 3)[1]['transforms'][1]
        assert contrastive[0] == CROP and contrastive[1] == flip

    def test_images_that_must_not_be_mirrored_stay_so(self):
        contrastive = multi_view_pipeline([LOAD, CROP, PACK], 3)[1]['transforms'][1]
        assert 'RandomFlip' not in [step['type'] for step in contrastive]

    def test_blur_is_for_small_images(self):
        def kinds(size):
            pipeline = multi_view_pipeline([LOAD, {**CROP, 'scale': size}, PACK], 3)
            return [step['type'] for step in pipeline[1]['transforms'][1]]

        assert 'GaussianBlur' in kinds(64) and 'GaussianBlur' not in kinds(65)

    def test_what_ends_a_pipeline_is_in_every_view(self):
        normalize = dict(type='Normalize', mean=[0, 0, 0], std=[1, 1, 1])
        for view in multi_view_pipeline([LOAD, CROP, normalize, PACK], 3)[1]['transforms']:
            assert view[-1] == normalize

    def test_hue_of_mmpretrain_is_mended(self):
        """ColorJitter with hue overflows on numpy 2; the conversion puts ours in its place."""
        jitter = dict(type='ColorJitter', brightness=0.2, hue=0.1, backend='cv2')
        own = multi_view_pipeline([LOAD, CROP, jitter, PACK], 2)[1]['transforms'][0]
        assert own[1] == dict(type='RandomColorJitter', brightness=0.2, hue=0.1)

    @pytest.mark.parametrize(
        'steps, size',
        [
            ([dict(type='RandomCrop', crop_size=32, padding=4)], 32),
            ([dict(type='Resize', scale=(96, 64))], (96, 64)),
            ([dict(type='CenterCrop', crop_size=(64, 96))], (96, 64)),
            ([dict(type='Resize', scale=256), dict(type='CenterCrop', crop_size=224)], 224),
            ([dict(type='torchvision/RandomResizedCrop', size=48, scale=(0.2, 1.0))], 48),
            ([dict(type='ResizeEdge', scale=256), dict(type='RandomFlip', prob=1.0)], 256),
            ([dict(type='RandomFlip', prob=1.0)], None),
        ],
    )
    def test_output_size(self, steps, size):
        assert output_size(steps) == size

    def test_converted_pipeline_gives_three_views(self):
        path = MMPRETRAIN_CONFIGS / 'resnet/resnet18_8xb16_cifar10.py'
        new = rcl_mm.to_rcl(Config.fromfile(path))
        steps = new.train_dataloader.dataset.pipeline
        image = np.random.RandomState(0).randint(0, 256, (32, 32, 3)).astype(np.uint8)
        data = Compose([TRANSFORMS.build(step) for step in steps])(dict(img=image, gt_label=3))
        assert [tuple(view.shape) for view in data['inputs']] == [(3, 32, 32)] * 3
        assert data['data_samples'].gt_label.item() == 3
