"""From a one-view training pipeline to two or three views."""

import cv2
import numpy as np
import pytest
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.registry import DefaultScope
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


NORMALIZE = dict(type='Normalize', mean=[127.5] * 3, std=[127.5] * 3, to_rgb=True)
TO_PIL = dict(type='NumpyToPIL', to_rgb=True)
TORCH_CROP = dict(type='torchvision/RandomResizedCrop', size=16, scale=(0.4, 1.0))
TO_TENSOR = dict(type='torchvision/ToTensor')
TORCH_NORMALIZE = dict(type='torchvision/Normalize', mean=(0.5,) * 3, std=(0.5,) * 3)
ERASE = dict(type='RandomErasing', erase_prob=0.5)
OWN_CROP = dict(type='RandomResizedCrop', scale=16)


class TestStepsThatAllViewsNeed:
    """What is no augmentation reaches the contrastive views, or the config is refused."""

    @pytest.mark.parametrize(
        ('own', 'carried'),
        [
            ([OWN_CROP, NORMALIZE], [NORMALIZE]),
            ([OWN_CROP, NORMALIZE, ERASE], [NORMALIZE]),
            ([NORMALIZE, OWN_CROP], [NORMALIZE]),
            (
                [TO_PIL, TORCH_CROP, TO_TENSOR, TORCH_NORMALIZE],
                [TO_PIL, TO_TENSOR, TORCH_NORMALIZE],
            ),
            (
                [TO_PIL, TORCH_CROP, dict(type='PILToNumpy', to_bgr=True), NORMALIZE],
                [TO_PIL, dict(type='PILToNumpy', to_bgr=True), NORMALIZE],
            ),
            (
                [TO_PIL, TORCH_CROP, dict(type='torchvision/PILToTensor')],
                [TO_PIL, dict(type='torchvision/PILToTensor')],
            ),
            ([OWN_CROP, dict(type='Pad', size=(20, 20))], [dict(type='Pad', size=(20, 20))]),
            ([dict(type='Pad', size=(40, 40)), OWN_CROP], []),
        ],
    )
    def test_carried_over_in_order(self, own, carried):
        views = multi_view_pipeline([LOAD, *own, PACK], 3)[1]['transforms']
        assert views[0] == own
        assert views[1][len(views[1]) - len(carried) :] == carried
        names = {step['type'] for step in views[1][: len(views[1]) - len(carried)]}
        assert not names & {'Normalize', 'Pad', 'NumpyToPIL', 'torchvision/ToTensor'}

    @pytest.mark.parametrize(
        'own',
        [
            [OWN_CROP, NORMALIZE, ERASE],
            [TO_PIL, TORCH_CROP, TO_TENSOR, TORCH_NORMALIZE],
            [TO_PIL, TORCH_CROP, TO_TENSOR],
            [NORMALIZE, OWN_CROP],
        ],
    )
    def test_views_have_one_range_and_one_order_of_channels(self, own, tmp_path):
        red = np.full((24, 24, 3), (20, 60, 240), np.uint8)  # BGR
        cv2.imwrite(str(tmp_path / 'red.png'), red)
        for step in (pipeline := multi_view_pipeline([LOAD, *own, PACK], 3)[1]['transforms'][1]):
            for key in ('prob', 'hue'):
                if key in step and step['type'] in ('RandomColorJitter', 'RandomGrayscale'):
                    step['prob'] = 0.0
            if step['type'] == 'GaussianBlur':
                step['prob'] = 0.0
        sample = dict(img_path=str(tmp_path / 'red.png'))
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            steps = [step for step in own if step is not ERASE]
            first, second = (
                Compose([TRANSFORMS.build(dict(one)) for one in [LOAD, *view, PACK]])(dict(sample))
                for view in (steps, pipeline)
            )
        assert first['inputs'].dtype == second['inputs'].dtype
        wanted, got = (one['inputs'].float().mean((1, 2)) for one in (first, second))
        np.testing.assert_allclose(got, wanted, atol=0.02)

    @pytest.mark.parametrize(
        'step',
        [
            dict(type='torchvision/FiveCrop', size=16),
            dict(type='torchvision/Lambda', lambd=None),
            dict(type='RandomGrayscale', prob=1.0),
            dict(type='Albu', transforms=[dict(type='Normalize')]),
            dict(type='RandomApply', transforms=[NORMALIZE]),
            dict(type='TransformBroadcaster', transforms=[OWN_CROP]),
        ],
    )
    def test_not_known__refused_with_three_views_only(self, step):
        with pytest.raises(
            ConversionError, match=f'need the step {step["type"]} is not known.*--vi'
        ):
            multi_view_pipeline([LOAD, OWN_CROP, step, PACK], 3)
        assert multi_view_pipeline([LOAD, OWN_CROP, step, PACK], 2)[1]['transforms'] == [
            [OWN_CROP, step]
        ]


class TestLoaderOptions:
    @pytest.mark.parametrize(
        'option',
        [
            dict(color_type='grayscale'),
            dict(color_type='unchanged'),
            dict(imdecode_backend='tifffile'),
        ],
    )
    def test_no_colour_images_of_8_bits__refused(self, option):
        with pytest.raises(
            ConversionError, match='does not load colour images of 8 bits.*--views 2'
        ):
            multi_view_pipeline([{**LOAD, **option}, OWN_CROP, PACK], 3)
        assert multi_view_pipeline([{**LOAD, **option}, OWN_CROP, PACK], 2)[0] == {**LOAD, **option}

    @pytest.mark.parametrize(
        'option',
        [
            dict(color_type='color_ignore_orientation'),
            dict(imdecode_backend='pillow'),
            dict(ignore_empty=True),
        ],
    )
    def test_others__kept(self, option):
        assert multi_view_pipeline([{**LOAD, **option}, OWN_CROP, PACK], 3)[0] == {**LOAD, **option}

    def test_floats__loaded_as_8_bits(self):
        load = {**LOAD, 'to_float32': True}
        assert multi_view_pipeline([load, OWN_CROP, PACK], 3)[0] == LOAD
        assert multi_view_pipeline([load, OWN_CROP, PACK], 2)[0] == load
