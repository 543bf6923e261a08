"""The field's augmentations that MMPretrain lacks, or that break or differ there.

Each is a thin bridge from MM's numpy images to a well-kept library (torchvision, timm), so that a
recipe's augmentation is the one of the papers:

- ``mmpretrain.ColorJitter`` with hue raises OverflowError on numpy 2: :class:`RandomColorJitter`;
- ``mmpretrain.Cutout`` moves a hole at the upper or left border inside instead of clipping it:
  :class:`RandomCutout`;
- ``mmpretrain.AutoAugment`` has no CIFAR-10 policy: :class:`TorchvisionAutoAugment`;
- ``mmpretrain.RandAugment`` has only the increasing operations: :class:`TimmRandAugment`.

MM images from files are BGR, those of MMPretrain's CIFAR (arrays) RGB: ``channel_order`` says so.
"""

from typing import Sequence, Tuple, Union

import cv2
import mmcv
import numpy as np
import torch
import torchvision.transforms as T
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS
from PIL import Image

from rcl_mm.errors import InputError

Range = Union[float, Sequence[float]]


def _check_channel_order(channel_order: str) -> None:
    if channel_order not in ('bgr', 'rgb'):
        raise InputError(
            f"channel_order is {channel_order!r}, allowed are 'bgr' (images from files) and 'rgb' "
            "(MMPretrain's CIFAR)"
        )


def to_pil(img: np.ndarray, channel_order: str) -> Image.Image:
    """An MM image, (H, W, 3) uint8, as an RGB PIL image."""
    if img.ndim != 3 or img.shape[2] != 3 or img.dtype != np.uint8:
        raise InputError(
            f'the image has shape {img.shape} and type {img.dtype}, allowed is (H, W, 3) uint8: '
            "load with color_type='color' and augment before normalising"
        )
    return Image.fromarray(np.ascontiguousarray(img[..., ::-1] if channel_order == 'bgr' else img))


def from_pil(image: Image.Image, channel_order: str) -> np.ndarray:
    """A PIL RGB image as an MM image, (H, W, 3) uint8."""
    img = np.asarray(image)
    # Contiguous, and a copy: PIL's buffer is read-only.
    return np.ascontiguousarray(img[..., ::-1]) if channel_order == 'bgr' else img.copy()


def adjust_hue_cv2(img: np.ndarray, hue_factor: float, channel_order: str) -> np.ndarray:
    """Shift the hue of a uint8 image by ``hue_factor`` of the circle, in [-0.5, 0.5]."""
    to_hsv, from_hsv = (
        (cv2.COLOR_BGR2HSV_FULL, cv2.COLOR_HSV2BGR_FULL)
        if channel_order == 'bgr'
        else (cv2.COLOR_RGB2HSV_FULL, cv2.COLOR_HSV2RGB_FULL)
    )
    hsv = cv2.cvtColor(img, to_hsv)
    # The hue circle has 256 steps: uint8 addition wraps around it.
    hsv[..., 0] += np.uint8(int(hue_factor * 255) & 0xFF)
    return cv2.cvtColor(hsv, from_hsv)


@TRANSFORMS.register_module()
class RandomColorJitter(BaseTransform):
    """torchvision's ``ColorJitter`` on MM images, applied with a probability.

    **Required Keys:** img; **Modified Keys:** img

    Args:
        brightness (float | Sequence[float]): As in torchvision: a factor from
            ``[max(0, 1 - x), 1 + x]`` or from the range given. Defaults to 0.
        contrast (float | Sequence[float]): As brightness. Defaults to 0.
        saturation (float | Sequence[float]): As brightness. Defaults to 0.
        hue (float | Sequence[float]): A shift from ``[-x, x]``, at most 0.5. Defaults to 0.
        prob (float): Probability of jittering at all. Defaults to 1.
        backend (str): 'pillow' gives torchvision's result on PIL images bit by bit; 'cv2' is
            faster and differs by rounding. The factors drawn are the same. Defaults to 'pillow'.
        channel_order (str): 'bgr' or 'rgb'. Defaults to 'bgr'.

    Raises:
        InputError: If an argument is out of range.
    """

    def __init__(
        self,
        brightness: Range = 0.0,
        contrast: Range = 0.0,
        saturation: Range = 0.0,
        hue: Range = 0.0,
        prob: float = 1.0,
        backend: str = 'pillow',
        channel_order: str = 'bgr',
    ) -> None:
        if backend not in ('pillow', 'cv2'):
            raise InputError(f"backend is {backend!r}, allowed are 'pillow' and 'cv2'")
        if not 0 <= prob <= 1:
            raise InputError(f'prob is {prob}, allowed is 0 to 1')
        _check_channel_order(channel_order)
        self.jitter = T.ColorJitter(brightness, contrast, saturation, hue)
        self.prob = prob
        self.backend = backend
        self.channel_order = channel_order

    def _jitter_cv2(self, img: np.ndarray) -> np.ndarray:
        jitter = self.jitter
        order, brightness, contrast, saturation, hue = jitter.get_params(
            jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue
        )
        swap = self.channel_order == 'rgb'
        for operation in order.tolist():
            if operation == 0 and brightness is not None:
                img = mmcv.adjust_brightness(img, brightness, backend='cv2')
            elif operation in (1, 2):
                factor = contrast if operation == 1 else saturation
                if factor is None:
                    continue
                # mmcv weighs the channels as BGR.
                img = img[..., ::-1] if swap else img
                adjust = mmcv.adjust_contrast if operation == 1 else mmcv.adjust_color
                img = adjust(np.ascontiguousarray(img), factor, backend='cv2')
                img = np.ascontiguousarray(img[..., ::-1]) if swap else img
            elif operation == 3 and hue is not None:
                img = adjust_hue_cv2(img, hue, self.channel_order)
        return img

    def transform(self, results: dict) -> dict:
        """Jitter the colours of ``results['img']``, (H, W, 3) uint8."""
        if self.prob < 1 and float(torch.rand(())) >= self.prob:
            return results
        if self.backend == 'cv2':
            results['img'] = self._jitter_cv2(results['img'])
        else:
            image = self.jitter(to_pil(results['img'], self.channel_order))
            results['img'] = from_pil(image, self.channel_order)
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}({self.jitter}, prob={self.prob}, backend={self.backend!r}, '
            f'channel_order={self.channel_order!r})'
        )


@TRANSFORMS.register_module()
class RandomCutout(BaseTransform):
    """Cutout: square holes whose centre is uniform over the image, clipped at the borders.

    DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout",
    arXiv 1708.04552 (2017). The CIFAR recipes apply it before normalisation with black holes.

    **Required Keys:** img; **Modified Keys:** img

    Args:
        length (int): Side of a hole in pixels. Defaults to 16.
        num_holes (int): Holes per image. Defaults to 1.
        fill (int | Sequence[int]): Value of the hole, one or one per channel. Defaults to 0.
        prob (float): Probability of cutting at all. Defaults to 1.

    Raises:
        InputError: If an argument is out of range.
    """

    def __init__(
        self,
        length: int = 16,
        num_holes: int = 1,
        fill: Union[int, Sequence[int]] = 0,
        prob: float = 1.0,
    ) -> None:
        if length < 1 or num_holes < 1 or not 0 <= prob <= 1:
            raise InputError(
                f'length={length}, num_holes={num_holes}, prob={prob}: allowed are length >= 1, '
                'num_holes >= 1 and prob from 0 to 1'
            )
        self.length = int(length)
        self.num_holes = int(num_holes)
        self.fill = fill
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Cut holes into a copy of ``results['img']``."""
        if self.prob < 1 and np.random.rand() >= self.prob:
            return results
        img = results['img'].copy()
        height, width = img.shape[:2]
        for _ in range(self.num_holes):
            top = np.random.randint(height) - self.length // 2
            left = np.random.randint(width) - self.length // 2
            rows = slice(max(top, 0), max(top + self.length, 0))
            columns = slice(max(left, 0), max(left + self.length, 0))
            img[rows, columns] = self.fill
        results['img'] = img
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(length={self.length}, num_holes={self.num_holes}, '
            f'fill={self.fill}, prob={self.prob})'
        )


@TRANSFORMS.register_module()
class TorchvisionAutoAugment(BaseTransform):
    """torchvision's ``AutoAugment`` on MM images, with its CIFAR-10, ImageNet or SVHN policy.

    Cubuk et al., "AutoAugment: Learning Augmentation Policies from Data", CVPR 2019.

    **Required Keys:** img; **Modified Keys:** img

    Args:
        policy (str): 'cifar10', 'imagenet' or 'svhn'. Defaults to 'cifar10'.
        fill (int): Grey value of the area that a shift or rotation uncovers. Defaults to 128.
        channel_order (str): 'bgr' or 'rgb'. Defaults to 'bgr'.

    Raises:
        InputError: If the policy is unknown.
    """

    def __init__(
        self, policy: str = 'cifar10', fill: int = 128, channel_order: str = 'bgr'
    ) -> None:
        allowed = [p.value for p in T.AutoAugmentPolicy]
        if policy not in allowed:
            raise InputError(f'policy is {policy!r}, allowed are {", ".join(allowed)}')
        _check_channel_order(channel_order)
        self.augment = T.AutoAugment(T.AutoAugmentPolicy(policy), fill=[float(fill)] * 3)
        self.channel_order = channel_order

    def transform(self, results: dict) -> dict:
        """Augment ``results['img']``, (H, W, 3) uint8."""
        image = self.augment(to_pil(results['img'], self.channel_order))
        results['img'] = from_pil(image, self.channel_order)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.augment}, channel_order={self.channel_order!r})'


@TRANSFORMS.register_module()
class TimmRandAugment(BaseTransform):
    """timm's RandAugment on MM images, by timm's own description string.

    Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search space",
    NeurIPS 2020; BCL's ImageNet and iNaturalist recipes use ``rand-n2-m10-mstd0.5``.

    **Required Keys:** img; **Modified Keys:** img

    Args:
        config (str): 'rand-n<operations>-m<magnitude>-mstd<deviation>', see
            ``timm.data.auto_augment.rand_augment_transform``. Defaults to 'rand-n2-m10-mstd0.5'.
        translate_pct (float): Largest shift as a share of the image. Defaults to 0.45.
        img_mean (tuple[int, int, int]): RGB value of the area uncovered. Defaults to (124, 116,
            104).
        channel_order (str): 'bgr' or 'rgb'. Defaults to 'bgr'.

    Raises:
        InputError: If the description is none of RandAugment.
    """

    def __init__(
        self,
        config: str = 'rand-n2-m10-mstd0.5',
        translate_pct: float = 0.45,
        img_mean: Tuple[int, int, int] = (124, 116, 104),
        channel_order: str = 'bgr',
    ) -> None:
        if not config.startswith('rand-'):
            raise InputError(f"config is {config!r}, allowed is e.g. 'rand-n2-m10-mstd0.5'")
        _check_channel_order(channel_order)
        # Imported here: timm.data takes as long to import as the whole package.
        from timm.data.auto_augment import rand_augment_transform

        hparams = dict(img_mean=tuple(img_mean), translate_pct=float(translate_pct))
        self.config = config
        self.augment = rand_augment_transform(config, hparams)
        self.channel_order = channel_order

    def transform(self, results: dict) -> dict:
        """Augment ``results['img']``, (H, W, 3) uint8."""
        image = self.augment(to_pil(results['img'], self.channel_order))
        results['img'] = from_pil(image, self.channel_order)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.config!r}, channel_order={self.channel_order!r})'
