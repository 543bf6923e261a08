"""The views of the recipes: how often each augmentation happens, and with what strength."""

import random

import numpy as np
import pytest
import torch
from mmpretrain.registry import TRANSFORMS
from PIL import ImageFilter

from rcl_mm.datasets.transforms import build_pipeline

from .catalogue import load

JPEG = 'rcl/resnet32_cifar10_jpeg_lt.py'
IMAGENET = 'rcl/resnext50_imagenet_lt.py'


def within(observed: float, probability: float, draws: int) -> bool:
    """Whether a frequency is within four standard deviations of its probability."""
    return abs(observed - probability) < 4 * (probability * (1 - probability) / draws) ** 0.5


def draw(view: list, image: np.ndarray, draws: int) -> list:
    pipeline = build_pipeline(view)
    return [pipeline(dict(img=image.copy(), img_shape=image.shape))['img'] for _ in range(draws)]


@pytest.fixture(autouse=True)
def seeded() -> None:
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.mark.parametrize('name, side, draws', [(JPEG, 32, 800), (IMAGENET, 64, 200)])
def test_a_fifth_of_the_contrastive_views_is_grey(name, side, draws) -> None:
    image = np.random.randint(0, 256, (side, side, 3), dtype=np.uint8)
    views = draw(load(name).sim_view, image, draws)
    assert {view.shape[0] for view in views} == {224 if name == IMAGENET else 32}
    grey = [bool((view.max(axis=2) == view.min(axis=2)).all()) for view in views]
    assert within(np.mean(grey), 0.2, draws)


@pytest.mark.parametrize('name, colour', [(JPEG, [50, 100, 200])])
def test_grey_is_the_luma_of_the_colour(name, colour) -> None:
    """R 200, G 100, B 50, as the images' channels are ordered."""
    config = next(t for t in load(name).sim_view if t.type == 'RandomGrayscale')
    grey = TRANSFORMS.build({**config, 'prob': 1.0})
    image = np.full((4, 4, 3), colour, np.uint8)
    assert abs(int(grey(dict(img=image))['img'][0, 0, 0]) - (0.299 * 200 + 0.587 * 100 + 5.7)) <= 1


@pytest.mark.parametrize('name', [JPEG])
def test_half_of_the_cifar_views_are_blurred_by_0_1_to_2_pixels(name, monkeypatch) -> None:
    radii = []
    original = ImageFilter.GaussianBlur.__init__

    def spy(self, radius=2):
        radii.append(radius)
        original(self, radius)

    monkeypatch.setattr(ImageFilter.GaussianBlur, '__init__', spy)
    draws = 800
    draw(load(name).sim_view, np.zeros((32, 32, 3), np.uint8), draws)
    assert within(len(radii) / draws, 0.5, draws)
    assert 0.1 <= min(radii) < 0.2 and 1.9 < max(radii) <= 2.0
    # Uniform: mean 1.05, standard deviation 1.9 / sqrt(12).
    assert np.mean(radii) == pytest.approx(1.05, abs=4 * 0.548 / len(radii) ** 0.5)


def test_strong_cifar_views_are_shifted_mirrored_and_cut() -> None:
    view = [t for t in load(JPEG).cls_view if t.type != 'TorchvisionAutoAugment']
    assert len(load(JPEG).cls_view) == len(view) + 1
    # Brightness rises to the right; no pixel of the image is black.
    image = np.repeat(np.tile(np.arange(32, dtype=np.uint8) * 6 + 10, (32, 1))[..., None], 3, 2)
    draws = 800
    views = draw(view, image, draws)
    mirrored, black = [], []
    for one in views:
        rows = one[..., 0].astype(int)
        columns = np.where((rows > 0).any(0))[0]
        first, last = (rows[:, columns[i]].max() for i in (0, -1))
        mirrored.append(first > last)
        black.append((rows == 0).mean())
    assert within(np.mean(mirrored), 0.5, draws)
    # Row i shows the image at 9 equally likely shifts, and the hole covers it for 16 of 32 centres,
    # fewer near the borders, where the hole is clipped; columns alike.
    shown = np.array([np.mean([0 <= i + shift < 32 for shift in range(-4, 5)]) for i in range(32)])
    cut = np.array([np.mean([c - 8 <= i < c + 8 for c in range(32)]) for i in range(32)])
    visible = np.outer(shown, shown) * (1 - np.outer(cut, cut))
    assert np.mean(black) == pytest.approx(1 - visible.mean(), abs=4 * np.std(black) / draws**0.5)


def test_crops_have_the_areas_of_the_recipes() -> None:
    for name, low in ((JPEG, 0.2), (IMAGENET, 0.08)):
        config = load(name).sim_view[0]
        assert config.type == 'RandomResizedCrop' and tuple(config.crop_ratio_range) == (low, 1.0)
        crop = TRANSFORMS.build(config)
        boxes = [crop.rand_crop_params(np.zeros((200, 200, 3))) for _ in range(800)]
        areas = np.array([height * width for _, _, height, width in boxes]) / 200**2
        assert low - 0.01 <= areas.min() < low + 0.05 and 0.9 < areas.max() <= 1.0
    assert tuple(load(IMAGENET).randcls_view[0].crop_ratio_range) == (0.08, 1.0)


def test_rand_augment_has_the_strength_of_the_recipe() -> None:
    for view in ('randcls_view', 'rand_view'):
        last = load(IMAGENET)[view][-1]
        assert last == dict(type='TimmRandAugment', config='rand-n2-m10-mstd0.5')
    jitter = load(IMAGENET).randcls_view[2]
    # Always, and without hue.
    assert (jitter.get('prob', 1.0), jitter.get('hue', 0.0)) == (1.0, 0.0)
    assert [jitter[key] for key in ('brightness', 'contrast', 'saturation')] == [0.4] * 3
    jitter = load(IMAGENET).sim_view[2]
    assert [jitter[key] for key in ('brightness', 'contrast', 'saturation')] == [0.4] * 3
    assert (jitter.prob, jitter.hue) == (0.8, 0.1)
