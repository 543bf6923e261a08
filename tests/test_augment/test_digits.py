"""The device's views of Digits-LT have the distribution of the loader's."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpretrain.registry import TRANSFORMS
from scipy import stats
from study.run import ROOT

from rcl_mm.augment.digits import DigitsAugment
from rcl_mm.augment.parts import to_device
from rcl_mm.datasets.digits import DigitsLT
from rcl_mm.datasets.transforms import build_pipeline

DRAWS = 1000
VIEW = Config.fromfile(ROOT / 'configs/_base_/datasets/digits_lt.py').view


@pytest.fixture(scope='module', params=[0, 250])
def views(request) -> tuple:
    """Many views of one digit from the loader's pipeline and from the device, (n, 32, 32)."""
    image = DigitsLT(split='test', pipeline=[]).get_data_info(request.param)['img']
    np.random.seed(0)
    torch.manual_seed(0)
    pipeline = build_pipeline(VIEW)
    loader = np.stack([pipeline(dict(img=image.copy()))['img'] for _ in range(DRAWS)])
    batch = torch.from_numpy(image).permute(2, 0, 1)[None].expand(DRAWS, -1, -1, -1)
    device = DigitsAugment()(batch.contiguous()).numpy().transpose(0, 2, 3, 1)
    assert loader.shape == device.shape
    # Grey images stay grey.
    assert np.ptp(loader, axis=3).max() <= 1 and np.ptp(device, axis=3).max() < 1e-3
    return loader[..., 0].astype(float), device[..., 0].astype(float)


def test_same_mean_and_spread_of_each_pixel(views) -> None:
    loader, device = views
    error = np.sqrt((loader.var(0) + device.var(0)) / DRAWS)
    z = (loader.mean(0) - device.mean(0)) / np.maximum(error, 1)
    # Neighbouring pixels move together, so the largest of 1,024 is not that of as many tests.
    assert np.abs(z).max() < 5.5 and np.sqrt((z**2).mean()) < 2
    assert np.abs(loader.std(0) - device.std(0)).max() < 12


def test_same_brightness_contrast_and_black(views) -> None:
    for statistic in (
        lambda image: image.mean((1, 2)),
        lambda image: image.std((1, 2)),
        lambda image: image.max((1, 2)),
        lambda image: (image < 1).mean((1, 2)),
    ):
        loader, device = (statistic(v) for v in views)
        assert stats.ks_2samp(loader, device).statistic < 0.1  # at p = 1e-4, n = 1000


def test_same_angles_as_the_loaders_rotation() -> None:
    (config,) = (t for t in VIEW if t['type'] == 'Rotate')
    rotate = TRANSFORMS.build(dict(config))
    np.random.seed(1)
    angles = [
        0.0 if rotate.random_disable() else rotate.random_negative(rotate.random_magnitude())
        for _ in range(4000)
    ]
    augment = DigitsAugment()
    u = np.random.default_rng(2).random((4000, augment.num_uniforms))
    matrix = augment.sample(u, 32, 32)['matrix']
    ours = np.degrees(np.arctan2(matrix[:, 0, 1], matrix[:, 0, 0]))
    assert np.allclose(matrix[:, 0, 0] ** 2 + matrix[:, 0, 1] ** 2, 1)
    # The level is clipped: at both ends and at zero there are many of one value.
    for one, other in ((angles, ours), (np.abs(angles), np.abs(ours))):
        assert stats.ks_2samp(np.round(one, 6), np.round(other, 6)).pvalue > 1e-3
    assert np.abs(ours).max() == pytest.approx(15)


def test_a_hole_in_half_of_the_images() -> None:
    augment = DigitsAugment(cutout_prob=0.5)
    u = np.random.default_rng(0).random((4000, augment.num_uniforms))
    centres = augment.sample(u, 32, 32)['centres'][:, 0]
    inside = ((centres >= 0) & (centres < 32)).all(1)
    assert inside.mean() == pytest.approx(0.5, abs=0.03)
    assert len(np.unique(centres[inside][:, 0])) == 32
    # A hole that is not drawn touches nothing.
    assert (centres[~inside] + augment.cutout_length < 0).all()


def test_a_rotation_uncovers_the_background() -> None:
    white = torch.full((64, 3, 32, 32), 255, dtype=torch.uint8)
    augment = DigitsAugment(rotate_prob=1.0, jitter=(0.0, 0.0), cutout_prob=0.0)
    corners = augment(white)[:, :, 0, 0]
    assert (corners == 0).any() and ((corners == 0) | (corners == 255)).all()
    upright = DigitsAugment(rotate_prob=0.0, jitter=(0.0, 0.0), cutout_prob=0.0)
    assert (upright(white) == 255).all()


def test_views_follow_from_draw_and_view_alone() -> None:
    images = torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8)
    draws = torch.arange(6) * 1_000_003
    augment = DigitsAugment()
    first = augment(images, draws, 0)
    torch.rand(5)
    assert torch.equal(first, augment(images, draws, 0))
    assert not torch.equal(first, augment(images, draws, 1))
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    assert torch.equal(first[order], augment(images[order], draws[order], 0))


def test_parameters_reach_the_device_in_two_copies() -> None:
    augment = DigitsAugment()
    arrays = augment.sample(np.random.default_rng(0).random((4, augment.num_uniforms)), 32, 32)
    assert all(isinstance(t, torch.Tensor) for t in to_device(arrays, torch.device('cpu')).values())
    assert {a.dtype.kind for a in arrays.values()} == {'f', 'i'}
