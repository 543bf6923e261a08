"""The views of the recipes: how often each augmentation happens, and with what strength."""

import random

import numpy as np
import pytest
import torch
from mmpretrain.registry import MODELS, TRANSFORMS
from PIL import ImageFilter

from rcl_mm.datasets.transforms import build_pipeline

from .catalogue import load

JPEG = 'rcl/resnet32_cifar10_jpeg_lt.py'
IMAGENET = 'rcl/resnext50_imagenet_lt.py'
REFERENCE = 'rcl/resnext50_imagenet_lt_reference.py'


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


@pytest.mark.parametrize('name, side, draws', [(JPEG, 32, 800)])
def test_a_fifth_of_the_contrastive_views_is_grey(name, side, draws) -> None:
    image = np.random.randint(0, 256, (side, side, 3), dtype=np.uint8)
    views = draw(load(name).sim_view, image, draws)
    assert {view.shape[0] for view in views} == {32}
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
    reference = [t.transforms for t in load(REFERENCE).train_dataloader.dataset.pipeline[1:2]][0]
    for name, low in ((JPEG, 0.2), (REFERENCE, 0.08)):
        config = reference[1][0] if name == REFERENCE else load(name).sim_view[0]
        assert config.type == 'RandomResizedCrop' and tuple(config.crop_ratio_range) == (low, 1.0)
        crop = TRANSFORMS.build(config)
        boxes = [crop.rand_crop_params(np.zeros((200, 200, 3))) for _ in range(800)]
        areas = np.array([height * width for _, _, height, width in boxes]) / 200**2
        assert low - 0.01 <= areas.min() < low + 0.05 and 0.9 < areas.max() <= 1.0
    assert tuple(reference[0][0].crop_ratio_range) == (0.08, 1.0)


def test_reference_views_have_the_strength_of_the_recipe() -> None:
    randcls, sim = load(REFERENCE).train_dataloader.dataset.pipeline[1].transforms
    assert randcls[-1] == dict(type='TimmRandAugment', config='rand-n2-m10-mstd0.5')
    # Always, and without hue.
    assert (randcls[2].get('prob', 1.0), randcls[2].get('hue', 0.0)) == (1.0, 0.0)
    for jitter in (randcls[2], sim[2]):
        assert [jitter[key] for key in ('brightness', 'contrast', 'saturation')] == [0.4] * 3
    assert (sim[2].prob, sim[2].hue) == (0.8, 0.1)


class TestImageNetViewsOnTheDevice:
    """Read off the output; the strength of each operation is measured in test_augment/."""

    N = 1200

    def views(self, number: int, image: torch.Tensor, **changes) -> torch.Tensor:
        """View ``number`` of the user's own recipe, of N copies of an image (3, H, W)."""
        config = {**load(IMAGENET).model.data_preprocessor.view_augments[number], **changes}
        return MODELS.build(config)(image.byte().expand(self.N, -1, -1, -1), torch.arange(self.N))

    @pytest.fixture
    def colours(self) -> torch.Tensor:
        """No column like another, no grey pixel."""
        columns = torch.linspace(20, 90, 8)
        return torch.stack([columns, 200 - columns, columns + 100])[:, None].expand(3, 8, 8)

    def test_chosen_crops(self) -> None:
        pipeline = load(IMAGENET).train_dataloader.dataset.pipeline
        crop = TRANSFORMS.build({**pipeline[1]})
        image = np.zeros((200, 200, 3), np.uint8)
        boxes = np.concatenate([crop(dict(img=image))['crop_boxes'] for _ in range(400)])
        areas = boxes[:, 2:].prod(1) / 200**2
        assert 0.07 <= areas.min() < 0.13 and 0.9 < areas.max() <= 1.0

    @pytest.mark.parametrize('number', [1, 2])
    def test_contrastive_views__grey_jittered_mirrored(self, number, colours) -> None:
        views = self.views(number, colours)
        grey = (views.amax(1) - views.amin(1)).flatten(1).amax(1) < 1
        assert within(grey.float().mean().item(), 0.2, self.N)
        plain = self.views(number, colours, gray_prob=0.0)
        same = (plain - colours.byte()).abs().flatten(1).amax(1) < 0.01
        mirrored = (plain - colours.byte().flip(2)).abs().flatten(1).amax(1) < 0.01
        assert within((same | mirrored).float().mean().item(), 0.2, self.N)
        # The first channel rises to the right.
        turned = views[:, 0, 0, 0] > views[:, 0, 0, -1]
        still = (views[:, 0, 0, 0] - views[:, 0, 0, -1]).abs() < 0.5
        assert within(turned[~still & ~grey].float().mean().item(), 0.5, int((~still).sum()))

    def test_classifiers_view__always_jittered_never_grey(self, colours) -> None:
        jittered = self.views(0, colours, rand_augment=None)
        as_it_was = (jittered - colours.byte()).abs().flatten(1).amax(1) < 0.01
        as_it_was |= (jittered - colours.byte().flip(2)).abs().flatten(1).amax(1) < 0.01
        assert as_it_was.float().mean() < 0.01
        assert ((jittered.amax(1) - jittered.amin(1)).flatten(1).amax(1) > 1).all()

    def test_rand_augment__in_the_views_that_have_it(self) -> None:
        base = load(IMAGENET)
        module = MODELS.build(base.randcls_view)
        assert module.rand_augment == (2, 10.0, 0.5)
        assert MODELS.build(base.rand_view).rand_augment == (2, 10, 0.5)
        assert MODELS.build(base.sim_view).rand_augment is None
