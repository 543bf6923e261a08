"""The recipes' augmentations, measured on their output: how large, how often, how strong.

Each transform of the configs' views is run on an image made so that what was done to it can be
read off the result. Figures are those of the recipes (BCL, and its CIFAR rebuilds); tolerances
follow from the number of draws, which are fixed by seeds. The views made on the device are measured
in test_augment/, test_crop_on_device.py and test_configs/test_views.py.
"""

import random
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torchvision.transforms as T
from mmengine.config import Config, ConfigDict
from mmpretrain.registry import TRANSFORMS
from scipy import stats

import rcl_mm  # noqa: F401 - registers the transforms

BASES = Path(__file__).parents[2] / 'configs' / '_base_' / 'datasets'
DRAWS = 1200

# Contrastive views: base file, output size, smallest crop, order of the channels, blur.
SIM_VIEWS = {
    'cifar10_jpeg_lt': (32, 0.2, 'bgr', True),
    'pillow_views': (224, 0.08, 'bgr', False),
}


@pytest.fixture(autouse=True)
def seeded():
    random.seed(0), np.random.seed(0), torch.manual_seed(0)


def views_of(base):
    config = Config.fromfile(BASES / f'{base}.py')
    return ConfigDict({key.removeprefix('pillow_'): value for key, value in config.items()})


def one(view, name):
    """The only transform of that name in a view, built."""
    found = [t for t in view if t['type'] == name]
    assert len(found) == 1, f'{name} is there {len(found)} times'
    return TRANSFORMS.build(dict(found[0]))


def outputs(transform, img, draws=DRAWS):
    for _ in range(draws):
        yield transform(dict(img=img.copy()))['img']


def share_within(hits, expected):
    """Whether a share of hits agrees with its probability: four standard errors."""
    hits = np.asarray(list(hits))
    return abs(hits.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / len(hits))


def coordinates(size):
    """An image whose first channel is the column and whose second one is the row."""
    steps = np.arange(size, dtype=np.uint8)
    return np.stack([*np.meshgrid(steps, steps), np.full((size, size), 128, np.uint8)], 2)


def colourful(size=16):
    """No grey pixel, every hue."""
    hsv = np.zeros((size, size, 3), np.uint8)
    hsv[..., 0] = np.linspace(0, 255, size * size).reshape(size, size)
    hsv[..., 1], hsv[..., 2] = 180, 160
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)


class TestCrop:
    SIZE = 256

    def boxes(self, transform):
        """Widths and heights of crops, from the slopes inside the resized result."""
        a, b = 0.25, 0.75
        sizes = []
        for result in outputs(transform, coordinates(self.SIZE), 500):
            height, width = result.shape[:2]
            first, last = int(width * a), int(width * b)
            columns, rows = result[..., 0].mean(0), result[..., 1].mean(1)
            scale = width / (last - first)
            sizes.append(
                [(columns[last] - columns[first]) * scale, (rows[last] - rows[first]) * scale]
            )
        return np.array(sizes)

    @pytest.mark.parametrize('base', ['cifar10_jpeg_lt', 'pillow_views'])
    def test_area_and_aspect_ratio(self, base):
        size, smallest, _, _ = SIM_VIEWS[base]
        transform = one(views_of(base).sim_view, 'RandomResizedCrop')
        boxes = self.boxes(transform)
        area = boxes.prod(1) / self.SIZE**2
        log_ratio = np.log(boxes[:, 0] / boxes[:, 1])
        # torchvision's crops of the same image are the reference.
        image = torch.zeros(3, self.SIZE, self.SIZE)
        theirs = np.array(
            [
                T.RandomResizedCrop.get_params(image, [smallest, 1.0], [3 / 4, 4 / 3])[2:]
                for _ in range(4000)
            ]
        )
        their_area = theirs.prod(1) / self.SIZE**2
        # One grey level of the image is one pixel of a box: 2% of the area.
        assert smallest - 0.02 < area.min() < smallest + 0.03 and 0.95 < area.max() < 1.03
        assert abs(area.mean() - their_area.mean()) < 4 * their_area.std() / np.sqrt(len(area))
        assert stats.ks_2samp(area, their_area).pvalue > 1e-3
        assert stats.ks_2samp(log_ratio, np.log(theirs[:, 1] / theirs[:, 0])).pvalue > 1e-3
        assert abs(log_ratio).max() < np.log(4 / 3) + 0.1

    @pytest.mark.parametrize('base', SIM_VIEWS)
    def test_output_size(self, base):
        size = SIM_VIEWS[base][0]
        transform = one(views_of(base).sim_view, 'RandomResizedCrop')
        assert next(outputs(transform, coordinates(200))).shape == (size, size, 3)

    @pytest.mark.parametrize('base', ['cifar10_jpeg_lt'])
    def test_padded_crop(self, base):
        transform = one(views_of(base).cls_view, 'RandomCrop')
        # Values from 1, so that the padding of 0 can be told.
        image = coordinates(32) + 1
        tops, lefts = [], []
        for result in outputs(transform, image, 3000):
            assert result.shape == (32, 32, 3)
            inside = result[..., 2] > 0
            row, column = np.argwhere(inside)[0]
            lefts.append(int(result[row, column, 0]) - 1 - column)
            tops.append(int(result[row, column, 1]) - 1 - row)
            assert (result[~inside] == 0).all()
        for offsets in (tops, lefts):
            assert set(offsets) == set(range(-4, 5))
            assert stats.chisquare(np.unique(offsets, return_counts=True)[1]).pvalue > 1e-3
        assert abs(np.corrcoef(tops, lefts)[0, 1]) < 4 / np.sqrt(len(tops))


@pytest.mark.parametrize('base', SIM_VIEWS)
@pytest.mark.parametrize('view', ['sim_view', 'other'])
def test_flip__half_of_the_images_left_to_right(base, view):
    cfg = views_of(base)
    name = view if view == 'sim_view' else ('cls_view' if 'cifar' in base else 'randcls_view')
    transform = one(cfg[name], 'RandomFlip')
    image = coordinates(8)
    flipped = []
    for result in outputs(transform, image):
        is_flipped = (result == image[:, ::-1]).all()
        assert is_flipped or (result == image).all()
        flipped.append(is_flipped)
    assert share_within(flipped, 0.5)


@pytest.mark.parametrize('base', SIM_VIEWS)
def test_grey__a_fifth_of_the_images_with_the_eyes_weights(base):
    _, _, order, _ = SIM_VIEWS[base]
    transform = one(views_of(base).sim_view, 'RandomGrayscale')
    rgb = colourful()
    image = rgb if order == 'rgb' else np.ascontiguousarray(rgb[..., ::-1])
    luma = rgb @ np.array([0.299, 0.587, 0.114])
    grey = []
    for result in outputs(transform, image):
        is_grey = (result == result[..., :1]).all()
        grey.append(is_grey)
        if is_grey:
            assert result.shape == image.shape
            assert np.abs(result[..., 0] - luma).max() <= 1
        else:
            np.testing.assert_array_equal(result, image)
    assert share_within(grey, 0.2)


class TestJitter:
    """Strengths are measured one at a time, with the configured range of that one."""

    @pytest.mark.parametrize('base', SIM_VIEWS)
    def test_four_of_five_contrastive_views(self, base):
        _, _, order, _ = SIM_VIEWS[base]
        transform = one(views_of(base).sim_view, 'RandomColorJitter')
        assert transform.channel_order == order
        image = colourful()
        assert share_within(((r != image).any() for r in outputs(transform, image)), 0.8)

    def test_every_classifiers_view__without_hue(self):
        transform = one(views_of('pillow_views').randcls_view, 'RandomColorJitter')
        image = colourful()
        assert all((result != image).any() for result in outputs(transform, image, 100))
        assert transform.jitter.hue is None

    def alone(self, base, strength):
        """The configured jitter with only one of its parts left, always applied."""
        (config,) = [t for t in views_of(base).sim_view if t['type'] == 'RandomColorJitter']
        return TRANSFORMS.build(
            dict(
                type='RandomColorJitter',
                channel_order=config.get('channel_order', 'bgr'),
                backend=config.get('backend', 'pillow'),
                **{strength: config[strength]},
            )
        )

    def check_factors(self, factors, resolution):
        """Uniform over [0.6, 1.4], as far as eight bits show it."""
        factors = np.asarray(factors)
        assert 0.6 - resolution < factors.min() < 0.62
        assert 1.38 < factors.max() < 1.4 + resolution
        assert abs(factors.mean() - 1) < 4 * 0.8 / np.sqrt(12 * len(factors)) + resolution
        # The largest distance that rounding alone can make is added to the critical one.
        distance = stats.kstest(factors, stats.uniform(0.6, 0.8).cdf).statistic
        assert distance < 1.95 / np.sqrt(len(factors)) + resolution / 0.8

    @pytest.mark.parametrize('base', ['cifar10_jpeg_lt', 'pillow_views'])
    def test_brightness(self, base):
        image = np.full((2, 2, 3), 180, np.uint8)
        results = outputs(self.alone(base, 'brightness'), image)
        self.check_factors([r[0, 0, 0] / 180 for r in results], 1 / 180)

    @pytest.mark.parametrize('base', ['cifar10_jpeg_lt', 'pillow_views'])
    def test_contrast(self, base):
        # Half dark and half bright around the mean: the distance is stretched by the factor.
        image = np.full((2, 2, 3), 68, np.uint8)
        image[1] = 188
        results = outputs(self.alone(base, 'contrast'), image)
        self.check_factors([(int(r[1, 0, 0]) - r[0, 0, 0]) / 120 for r in results], 2 / 120)

    @pytest.mark.parametrize('base', ['cifar10_jpeg_lt', 'pillow_views'])
    def test_saturation(self, base):
        image = np.full((1, 1, 3), (80, 100, 200), np.uint8)
        results = outputs(self.alone(base, 'saturation'), image)
        self.check_factors([(int(r[0, 0, 2]) - r[0, 0, 0]) / 120 for r in results], 2 / 120)

    @pytest.mark.parametrize('base', ['cifar10_jpeg_lt', 'pillow_views'])
    def test_hue(self, base):
        # A pure primary colour: the shift in parts of the circle, both ways.
        order = SIM_VIEWS[base][2]
        rgb = np.array([[[20, 220, 20]]], np.uint8)
        image = rgb if order == 'rgb' else np.ascontiguousarray(rgb[..., ::-1])
        code = cv2.COLOR_RGB2HSV_FULL if order == 'rgb' else cv2.COLOR_BGR2HSV_FULL
        start = int(cv2.cvtColor(image, code)[0, 0, 0])
        shifts = np.array(
            [
                int(cv2.cvtColor(r, code)[0, 0, 0]) - start
                for r in outputs(self.alone(base, 'hue'), image)
            ]
        )
        assert -28 <= shifts.min() <= -23 and 23 <= shifts.max() <= 28
        assert abs(shifts.mean()) < 4 * 51 / np.sqrt(12 * len(shifts)) + 1
        distance = stats.kstest(shifts / 255, stats.uniform(-0.1, 0.2).cdf).statistic
        assert distance < 1.95 / np.sqrt(len(shifts)) + 2 / 51


class TestBlur:
    @pytest.mark.parametrize('base', SIM_VIEWS)
    def test_share(self, base):
        blur = SIM_VIEWS[base][3]
        sim_view = views_of(base).sim_view
        if not blur:
            assert not any(t['type'] == 'GaussianBlur' for t in sim_view)
            return
        image = np.zeros((16, 16, 3), np.uint8)
        image[::2] = 255
        transform = one(sim_view, 'GaussianBlur')
        assert share_within(((r != image).any() for r in outputs(transform, image)), 0.5)

    @pytest.mark.parametrize('base', ['cifar10_jpeg_lt'])
    def test_strength(self, base):
        # The spread of a blurred line is the sigma; below half a pixel eight bits don't show it.
        transform = one(views_of(base).sim_view, 'GaussianBlur')
        image = np.zeros((5, 41, 3), np.uint8)
        image[:, 20] = 255
        offsets = np.arange(41) - 20
        sigmas = []
        for result in outputs(transform, image, 2000):
            line = result[2, :, 0].astype(float)
            if line[20] < 255:
                sigmas.append(np.sqrt((line * offsets**2).sum() / line.sum()))
        sigmas = np.array(sigmas)
        assert 1.85 < sigmas.max() < 2.1 and sigmas.min() < 0.3
        upper = sigmas[sigmas > 0.6]
        assert abs((sigmas > 1.05).mean() - 0.5) < 4 * 0.5 / np.sqrt(len(sigmas)) + 0.03
        assert stats.kstest(upper, stats.uniform(0.6, 1.4).cdf).statistic < 0.1


@pytest.mark.parametrize('base', ['cifar10_jpeg_lt'])
def test_cutout__one_black_hole_of_16_in_every_classifiers_view(base):
    transform = one(views_of(base).cls_view, 'RandomCutout')
    image = np.full((32, 32, 3), 255, np.uint8)
    heights, widths = [], []
    for result in outputs(transform, image, 600):
        hole = (result == 0).all(2)
        heights.append(hole.any(1).sum())
        widths.append(hole.any(0).sum())
        assert hole.sum() == heights[-1] * widths[-1] > 0 and (result[~hole] == 255).all()
    # Not clipped if the centre is 8 to 24 pixels from the upper border: 17 of 32 rows.
    for sides in (heights, widths):
        assert max(sides) == 16 and min(sides) >= 8
        assert share_within((np.array(sides) == 16), 17 / 32)
