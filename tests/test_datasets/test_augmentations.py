"""The bridges to torchvision and timm, and what they replace."""

import random

import numpy as np
import pytest
import torch
import torchvision.transforms as T
from mmpretrain.registry import TRANSFORMS
from PIL import Image
from timm.data.auto_augment import rand_augment_transform

from rcl_mm.datasets import (
    RandomColorJitter,
    RandomCutout,
    TimmRandAugment,
    TorchvisionAutoAugment,
)
from rcl_mm.datasets.augmentations import adjust_hue_cv2


def photo(height=48, width=64):
    """An RGB image with smooth and saturated areas."""
    small = np.random.RandomState(0).randint(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.BICUBIC))


def apply(transform, rgb):
    """Run a transform on an RGB image in the order that it expects; RGB again."""
    swap = getattr(transform, 'channel_order', 'rgb') == 'bgr'
    img = np.ascontiguousarray(rgb[..., ::-1] if swap else rgb)
    before = img.copy()
    result = transform.transform(dict(img=img))['img']
    np.testing.assert_array_equal(img, before)
    assert result.dtype == np.uint8 and result.flags.c_contiguous and result.flags.writeable
    return result[..., ::-1] if swap else result


def seed_all(seed):
    random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)


@pytest.mark.parametrize('channel_order', ['bgr', 'rgb'])
class TestAgainstTheLibraries:
    def check(self, ours, theirs):
        for seed in range(30):
            seed_all(seed)
            expected = np.asarray(theirs(Image.fromarray(photo())))
            seed_all(seed)
            np.testing.assert_array_equal(apply(ours, photo()), expected)

    def test_color_jitter__bit_by_bit(self, channel_order):
        arguments = dict(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
        self.check(
            RandomColorJitter(**arguments, channel_order=channel_order),
            T.ColorJitter(**arguments),
        )

    def test_auto_augment(self, channel_order):
        policy = T.AutoAugmentPolicy.CIFAR10
        self.check(
            TorchvisionAutoAugment('cifar10', channel_order=channel_order),
            T.AutoAugment(policy, fill=[128.0] * 3),
        )

    def test_rand_augment(self, channel_order):
        theirs = rand_augment_transform(
            'rand-n2-m10-mstd0.5', dict(img_mean=(124, 116, 104), translate_pct=0.45)
        )
        self.check(TimmRandAugment(channel_order=channel_order), theirs)

    def test_color_jitter__cv2_differs_by_rounding(self, channel_order):
        arguments = dict(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
        ours = RandomColorJitter(**arguments, channel_order=channel_order, backend='cv2')
        theirs = T.ColorJitter(**arguments)
        for seed in range(30):
            seed_all(seed)
            expected = np.asarray(theirs(Image.fromarray(photo()))).astype(int)
            seed_all(seed)
            assert np.abs(apply(ours, photo()) - expected).mean() < 2.5

    def test_hue_cv2__whole_circle(self, channel_order):
        img = photo() if channel_order == 'rgb' else np.ascontiguousarray(photo()[..., ::-1])
        for factor in np.linspace(-0.5, 0.5, 21):
            expected = np.asarray(T.functional.adjust_hue(Image.fromarray(photo()), factor))
            ours = adjust_hue_cv2(img, factor, channel_order)
            ours = ours if channel_order == 'rgb' else ours[..., ::-1]
            assert np.abs(ours.astype(int) - expected).mean() < 2.5


class TestColorJitter:
    def test_probability(self):
        transform = RandomColorJitter(brightness=0.4, prob=0.3)
        torch.manual_seed(0)
        changed = np.mean([(apply(transform, photo()) != photo()).any() for _ in range(600)])
        assert abs(changed - 0.3) < 4 * np.sqrt(0.21 / 600)

    def test_mmpretrains_breaks_where_ours_does_not(self):
        # Why there is one of our own. If this fails, mmcv was mended: ours could go.
        theirs = TRANSFORMS.build(dict(type='ColorJitter', hue=(-0.1, -0.1)))
        with pytest.raises(OverflowError):
            theirs(dict(img=photo().copy()))
        assert (apply(RandomColorJitter(hue=(-0.1, -0.1)), photo()) != photo()).any()

    @pytest.mark.parametrize(
        'kwargs,message',
        [
            (dict(backend='gpu'), "allowed are 'pillow' and 'cv2'"),
            (dict(prob=1.5), 'allowed is 0 to 1'),
            (dict(channel_order='gbr'), "allowed are 'bgr'"),
            (dict(hue=0.7), 'hue'),
            (dict(brightness=-1), 'brightness'),
        ],
    )
    def test_bad_arguments(self, kwargs, message):
        with pytest.raises(ValueError, match=message):
            RandomColorJitter(**kwargs)

    @pytest.mark.parametrize('img', [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
    def test_wrong_image(self, img):
        with pytest.raises(ValueError, match=r'allowed is \(H, W, 3\) uint8'):
            RandomColorJitter(brightness=0.4).transform(dict(img=img))


class TestCutout:
    def holes(self, transform, size=32, count=4000):
        np.random.seed(0)
        white = np.full((size, size, 3), 255, np.uint8)
        return np.stack([apply(transform, white)[..., 0] == 0 for _ in range(count)])

    def test_hole_is_a_clipped_square_around_a_uniform_centre(self):
        holes = self.holes(RandomCutout(length=16))
        rows, columns = holes.any(2).sum(1), holes.any(1).sum(1)
        assert rows.min() == 8 and rows.max() == 16 and columns.min() == 8
        assert (holes.sum((1, 2)) == rows * columns).all()
        # E(side) = (sum of 16 - max(0, 8 - c) - max(0, c + 8 - 32) over 32 centres c) / 32.
        centres = np.arange(32)
        sides = np.minimum(centres + 8, 32) - np.maximum(centres - 8, 0)
        assert abs(rows.mean() - sides.mean()) < 4 * sides.std() / np.sqrt(len(rows))
        # Each pixel's chance of being cut: the share of centres that reach it, per axis.
        reach = np.array([np.mean((centres - 8 <= p) & (p < centres + 8)) for p in range(32)])
        expected = np.outer(reach, reach)
        error = np.abs(holes.mean(0) - expected)
        assert error.max() < 5 * np.sqrt(0.25 / len(holes))

    def test_mmpretrains_holes_are_not_clipped_at_the_upper_border(self):
        # Why there is one of our own. If this fails, mmcv was mended: ours could go.
        theirs = TRANSFORMS.build(dict(type='Cutout', shape=16, pad_val=0, prob=1.0))
        smallest = {}
        for name, transform in (('ours', RandomCutout(16)), ('mmpretrain', theirs)):
            rows = self.holes(transform).any(2)
            heights = rows.sum(1)
            smallest[name] = heights[rows[:, 0]].min(), heights[rows[:, -1]].min()
        assert smallest == dict(ours=(8, 9), mmpretrain=(16, 9))

    def test_number_fill_and_probability(self):
        img = np.full((32, 32, 3), 255, np.uint8)
        np.random.seed(0)
        result = apply(RandomCutout(4, num_holes=3, fill=(1, 2, 3)), img)
        cut = result[..., 0] != 255
        assert cut.sum() > 16 and (result[cut] == (1, 2, 3)).all()
        changed = [(apply(RandomCutout(4, prob=0.3), img) != 255).any() for _ in range(600)]
        assert abs(np.mean(changed) - 0.3) < 4 * np.sqrt(0.21 / 600)

    @pytest.mark.parametrize('kwargs', [dict(length=0), dict(num_holes=0), dict(prob=-0.1)])
    def test_bad_arguments(self, kwargs):
        with pytest.raises(ValueError, match='allowed are length >= 1'):
            RandomCutout(**kwargs)


@pytest.mark.parametrize(
    'build,message',
    [
        (lambda: TorchvisionAutoAugment('cifar'), 'allowed are imagenet, cifar10, svhn'),
        (lambda: TimmRandAugment('augmix-m3'), 'rand-n2-m10-mstd0.5'),
    ],
)
def test_unknown_policies(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(
    'config',
    [
        dict(type='RandomCrop', crop_size=32, padding=4),
        dict(type='RandomResizedCrop', scale=32, crop_ratio_range=(0.2, 1.0)),
        dict(type='RandomFlip', prob=0.5, direction='horizontal'),
        dict(type='RandomGrayscale', prob=0.5, keep_channels=True, channel_weights=(1, 6, 3)),
        dict(type='GaussianBlur', magnitude_range=(0.1, 2.0), magnitude_std='inf', prob=0.5),
        dict(type='RandAugment', policies='timm_increasing', num_policies=2, magnitude_level=9),
        dict(type='AutoAugment', policies='imagenet'),
        dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4),
    ],
    ids=lambda c: c['type'],
)
def test_mmpretrains_own_work_on_this_numpy(config):
    transform = TRANSFORMS.build(config)
    for seed in range(60):
        seed_all(seed)
        result = transform(dict(img=photo().copy()))['img']
        assert result.dtype == np.uint8 and result.shape[2] == 3
