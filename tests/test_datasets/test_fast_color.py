"""The operations on one image against PIL and torchvision."""

import numpy as np
import pytest
import torchvision.transforms as T
from PIL import Image, ImageEnhance, ImageOps
from sklearn.datasets import load_sample_images

from rcl_mm.augment import policies
from rcl_mm.datasets.fast_color import FastColor


@pytest.fixture(scope='module')
def photos():
    """Two photographs, RGB 427x640."""
    return [image.copy() for image in load_sample_images().images]


class TestFastColor:
    OPERATIONS = {
        'Brightness': (1.4, lambda x: ImageEnhance.Brightness(x).enhance(1.4)),
        'Contrast': (1.7, lambda x: ImageEnhance.Contrast(x).enhance(1.7)),
        'Color': (0.3, lambda x: ImageEnhance.Color(x).enhance(0.3)),
        'Sharpness': (1.9, lambda x: ImageEnhance.Sharpness(x).enhance(1.9)),
        'Invert': (0, ImageOps.invert),
        'Posterize': (3, lambda x: ImageOps.posterize(x, 3)),
        'Solarize': (100, lambda x: ImageOps.solarize(x, 100)),
        'SolarizeAdd': (
            90,
            lambda x: x.point([min(255, v + 90) if v < 128 else v for v in range(256)] * 3),
        ),
        'AutoContrast': (0, ImageOps.autocontrast),
        'Equalize': (0, ImageOps.equalize),
        'Identity': (0, lambda x: x),
        'Rotate': (20, lambda x: x.rotate(20, resample=Image.BILINEAR, fillcolor=(9, 8, 7))),
        'ShearX': (
            0.25,
            lambda x: x.transform(
                x.size, Image.AFFINE, (1, 0.25, 0, 0, 1, 0), Image.BILINEAR, fillcolor=(9, 8, 7)
            ),
        ),
    }

    @pytest.mark.parametrize('channel_order', ['bgr', 'rgb'])
    @pytest.mark.parametrize('name', OPERATIONS)
    def test_apply__pil(self, photos, name, channel_order):
        value, function = self.OPERATIONS[name]
        image = np.ascontiguousarray(photos[1][100:300, 100:300] // 2 + 40)
        expected = np.asarray(function(Image.fromarray(image))).astype(int)
        flip = slice(None, None, -1 if channel_order == 'bgr' else 1)
        own = image[..., flip].copy()
        FastColor(channel_order, (9, 8, 7)).apply(own, name, value)
        difference = np.abs(own[..., flip].astype(int) - expected)
        if name in policies.GEOMETRIC:
            # Interpolation in steps of 1/32 pixel, and blending with the fill at the border.
            assert difference.mean() < 1 and np.median(difference) <= 1
        else:
            assert difference.max() <= 1

    @pytest.mark.parametrize(
        ('name', 'value'),
        [('AutoContrast', ()), ('Equalize', ()), ('Posterize', (1,)), ('Posterize', (8,))],
    )
    @pytest.mark.parametrize('levels', [(7,), (0,), (255,), (3, 200), (0, 1, 255), range(90, 99)])
    def test_apply__few_levels(self, levels, name, value):
        """One channel with these levels, two that have a single one."""
        some = np.random.default_rng(0).choice(levels, (40, 30))
        image = np.stack([some, np.full_like(some, 77), np.zeros_like(some)], 2).astype(np.uint8)
        expected = np.asarray(getattr(ImageOps, name.lower())(Image.fromarray(image), *value))
        FastColor('rgb', (0, 0, 0)).apply(image, name, *(value or (0.0,)))
        assert np.array_equal(image, expected)

    @pytest.mark.parametrize('channel_order', ['bgr', 'rgb'])
    def test_hue_and_gray__torchvision(self, photos, channel_order):
        image = np.ascontiguousarray(photos[0][:200, :200])
        flip = slice(None, None, -1 if channel_order == 'bgr' else 1)
        color = FastColor(channel_order, (0, 0, 0))
        for shift in (-0.1, 0.0, 0.07):
            own = image[..., flip].copy()
            color.hue(own, shift)
            expected = np.asarray(T.functional.adjust_hue(Image.fromarray(image), shift))
            # Both have 256 steps of hue, and round differently between them.
            difference = np.abs(own[..., flip].astype(int) - expected)
            assert difference.mean() < 1.5 and np.percentile(difference, 99) <= 6
        own = image[..., flip].copy()
        color.gray(own)
        expected = np.asarray(Image.fromarray(image).convert('L'))
        assert np.abs(own.astype(int) - expected[..., None]).max() <= 1

    def test_channel_order__unknown(self):
        with pytest.raises(ValueError, match="'bgr' and 'rgb'"):
            FastColor('gbr', (0, 0, 0))


@pytest.mark.parametrize('channel_order', ['bgr', 'rgb'])
def test_jitter__steps_joined_are_the_steps_one_by_one(photos, channel_order):
    """Joining steps that cannot cut anything off changes nothing but roundings."""
    image = np.ascontiguousarray(photos[0][:64, :64])
    color = FastColor(channel_order, (0, 0, 0))
    steps = (color.brightness, color.contrast, color.saturation, color.hue)
    random = np.random.default_rng(0)
    for _ in range(60):
        order, factors = random.permutation(4).tolist(), random.uniform(0.5, 1.5, 4).tolist()
        factors[3] = 0.0
        joined, single = image.copy(), image.copy()
        color.jitter(joined, order, factors)
        for step in order:
            steps[step](single, factors[step])
        # A rounding before the hue, in 256 steps, can become two or three levels.
        difference = np.abs(joined.astype(int) - single)
        assert difference.mean() < 1 and np.percentile(difference, 99) <= 4


@pytest.mark.parametrize('name', ['TranslateX', 'TranslateY'])
@pytest.mark.parametrize('cubic', [False, True])
def test_shift__pil(photos, name, cubic):
    image = np.ascontiguousarray(photos[0][100:160, 100:150])
    method = Image.BICUBIC if cubic else Image.BILINEAR
    for value in (0.0, 3.0, -4.0, 7.3, -2.8, 0.4, -0.6, 49.7, -49.2, 300.0, -300.0):
        own = image.copy()
        FastColor('rgb', (9, 8, 7)).apply(own, name, value, cubic)
        matrix = (1, 0, -value, 0, 1, 0) if name == 'TranslateX' else (1, 0, 0, 0, 1, -value)
        expected = Image.fromarray(image).transform(
            (50, 60), Image.AFFINE, matrix, method, fillcolor=(9, 8, 7)
        )
        assert np.abs(own.astype(int) - np.asarray(expected)).max() <= 1, value
