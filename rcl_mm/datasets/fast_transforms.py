"""The views of the ImageNet recipes, from one decoded image, several times as fast as by PIL.

Each view has the distribution of torchvision's transforms (RandomResizedCrop with an antialiased
bilinear filter, RandomHorizontalFlip, ColorJitter, RandomGrayscale) and of timm's RandAugment, from
the random numbers of (draw, view). Two ways to use them:

- everything on the CPU: :class:`FastMultiView`;
- decode on the CPU, all else on the device: :class:`CropOnDevice` here,
  ``models.DeviceCropPreprocessor`` there.

Both end in ``PackFast`` and ``fast_collate``, which hand images on without reordering them.
"""

import random
from typing import List, Sequence, Tuple, Union

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS

from rcl_mm.augment import params, policies
from rcl_mm.augment.draws import draw_of
from rcl_mm.datasets.batch_memory import take_views
from rcl_mm.datasets.fast_color import FastColor
from rcl_mm.datasets.fast_memory import scratch
from rcl_mm.errors import InputError

Range = Tuple[float, float]

#: What each view of the recipes does after the crop.
VIEWS = dict(
    crop=dict(flip_prob=0.0, jitter_prob=0.0),
    sim=dict(jitter=(0.4, 0.4, 0.4, 0.1), jitter_prob=0.8, gray_prob=0.2),
    rand=dict(
        jitter=(0.4, 0.4, 0.4, 0.1), jitter_prob=0.8, gray_prob=0.2, rand_augment=(2, 10, 0.5)
    ),
    randcls=dict(jitter=(0.4, 0.4, 0.4, 0.0), rand_augment=(2, 10, 0.5)),
)
_DEFAULTS = dict(
    flip_prob=0.5, jitter=(0.0, 0.0, 0.0, 0.0), jitter_prob=1.0, gray_prob=0.0, rand_augment=None
)
#: Where the random numbers begin: the crop's, the mirror's, the jitter's, and RandAugment's.
_FLIP = params.CROP_UNIFORMS
_JITTER = _FLIP + 1
_RAND = _JITTER + params.JITTER_UNIFORMS
_MAX_STEPS = 4
_TOTAL = _RAND + _MAX_STEPS * policies.RAND_AUGMENT_UNIFORMS


def view_uniforms(results: dict, num_views: int) -> List[List[float]]:
    """Random numbers of (draw, view) for each view, or of numpy's generator without a draw.

    View v has the numbers from v * _TOTAL on of a generator seeded by the draw: a pure function of
    (draw, view), and for one sample ten times as fast as ``draws.uniforms``.
    """
    draw = draw_of(results.get('sample_idx'))
    if draw is None:
        return np.random.random_sample((num_views, _TOTAL)).tolist()
    uniform = random.Random(draw).random
    return [[uniform() for _ in range(_TOTAL)] for _ in range(num_views)]


def crop_and_resize(
    image: np.ndarray, box: Sequence[int], out: np.ndarray, flip: bool = False
) -> None:
    """A box (top, left, height, width) of an image, resized as PIL would.

    Antialiased where it shrinks; where it does not, OpenCV's filter is the same and faster.

    Args:
        image (np.ndarray): uint8, shape (H, W, 3).
        box (Sequence[int]): In pixels.
        out (np.ndarray): uint8, contiguous, shape (size, size, 3); receives the result.
        flip (bool): Whether to mirror it, left to right. Defaults to False.
    """
    top, left, height, width = box
    size = out.shape[0]
    crop = image[top : top + height, left : left + width]
    if height <= size and width <= size:
        cv2.resize(crop, (size, size), dst=out, interpolation=cv2.INTER_LINEAR)
        if flip:
            cv2.flip(out, 1, dst=out)
        return
    contiguous = scratch('crop', crop.shape)
    if flip:
        cv2.flip(crop, 1, dst=contiguous)
    else:
        np.copyto(contiguous, crop)
    # What F.interpolate(mode='bilinear', antialias=True) calls, here with a place for the result.
    torch._C._nn._upsample_bilinear2d_aa(
        torch.from_numpy(contiguous[None]).permute(0, 3, 1, 2),
        (size, size),
        False,
        None,
        out=torch.from_numpy(out[None]).permute(0, 3, 1, 2),
    )


@TRANSFORMS.register_module()
class FastMultiView(BaseTransform):
    """Several views of an image, augmented by OpenCV on the CPU.

    **Required Keys:** img (H, W, 3) uint8, sample_idx (optional); **Modified Keys:** img: list of
    the V views

    Args:
        views (Sequence[str | dict]): 'randcls', 'sim', 'rand' or 'crop' for each view (see
            ``VIEWS``), or a dict of ``flip_prob``, ``jitter``, ``jitter_prob``, ``gray_prob``,
            ``rand_augment``. Defaults to BCL's ('randcls', 'sim', 'sim').
        size (int): Side of the views. Defaults to 224.
        crop_scale (tuple): Share of the area. Defaults to (0.08, 1).
        fill (tuple): RGB where a shift or rotation uncovers. Defaults to ImageNet's mean colour.
        channel_order (str): Of the images: 'bgr' as from ``LoadImageFromFile``, or 'rgb'. Defaults
            to 'bgr'.

    Raises:
        InputError: If a view is unknown.
    """

    def __init__(
        self,
        views: Sequence[Union[str, dict]] = ('randcls', 'sim', 'sim'),
        size: int = 224,
        crop_scale: Range = (0.08, 1.0),
        fill: Sequence[float] = (124.0, 116.0, 104.0),
        channel_order: str = 'bgr',
    ) -> None:
        self.views = []
        for view in views:
            if isinstance(view, str):
                if view not in VIEWS:
                    raise InputError(f'view is {view!r}, allowed are {", ".join(VIEWS)} or a dict')
                view = VIEWS[view]
            unknown = set(view) - set(_DEFAULTS)
            if unknown:
                raise InputError(f'a view has {unknown}, allowed are {", ".join(_DEFAULTS)}')
            self.views.append({**_DEFAULTS, **view})
            steps = view.get('rand_augment') or (0,)
            if not 0 <= steps[0] <= _MAX_STEPS:
                raise InputError(f'rand_augment has {steps[0]} steps, allowed is 0 to {_MAX_STEPS}')
        self.size = size
        self.crop_scale = tuple(crop_scale)
        self.color = FastColor(channel_order, fill)

    def transform(self, results: dict) -> dict:
        """Make the views of ``results['img']``."""
        image = results['img']
        height, width = image.shape[:2]
        images = take_views((len(self.views), self.size, self.size, 3))
        numbers = view_uniforms(results, len(self.views))
        # All crops first, while the image is in the processor's cache.
        for view, out, u in zip(self.views, images, numbers):
            box = params.resized_crop_box(u, height, width, self.crop_scale)
            crop_and_resize(image, box, out, flip=u[_FLIP] < view['flip_prob'])
        for view, out, u in zip(self.views, images, numbers):
            self._augment(out, view, u)
        results['img'] = images
        return results

    def _augment(self, image: np.ndarray, view: dict, u: List[float]) -> None:
        """All but the crop and the mirror, in place."""
        color = self.color
        jitter = u[_JITTER:_RAND]
        if jitter[0] < view['jitter_prob']:
            color.jitter(image, *params.color_jitter_order(jitter, *view['jitter']))
        if jitter[1] < view['gray_prob']:
            color.gray(image)
        if view['rand_augment'] is None:
            return
        steps, magnitude, deviation = view['rand_augment']
        for step in range(steps):
            start = _RAND + step * policies.RAND_AUGMENT_UNIFORMS
            own = u[start : start + policies.RAND_AUGMENT_UNIFORMS]
            operation = policies.rand_augment_operation(own, magnitude, deviation, *image.shape[:2])
            # timm picks the filter of each operation at random, too.
            color.apply(image, *operation, cubic=own[5] < 0.5)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(views={self.views}, size={self.size})'


@TRANSFORMS.register_module()
class CropOnDevice(BaseTransform):
    """Choose the crops of V views, and leave cutting them to ``models.DeviceCropPreprocessor``.

    An image larger than ``max_size`` would be slow to copy: its crops are cut here and laid side
    by side, and the boxes point to them::

        small image: the image itself, boxes in it       large image: [view 0 | view 1 | view 2]

    **Required Keys:** img (H, W, 3) uint8, sample_idx (optional); **Modified Keys:** img;
    **Added Keys:** crop_boxes: top, left, height, width in ``img``, shape (V, 4), int64

    Args:
        num_views (int): V. Defaults to 3.
        size (int): Side of the views. Defaults to 224.
        crop_scale (tuple): Share of the area. Defaults to (0.08, 1).
        max_size (int): Longest side of an image that is handed on whole. Defaults to 512.
    """

    def __init__(
        self,
        num_views: int = 3,
        size: int = 224,
        crop_scale: Range = (0.08, 1.0),
        max_size: int = 512,
    ) -> None:
        self.num_views = num_views
        self.size = size
        self.crop_scale = tuple(crop_scale)
        self.max_size = max_size

    def transform(self, results: dict) -> dict:
        """Add ``crop_boxes``."""
        image, size = results['img'], self.size
        height, width = image.shape[:2]
        boxes = np.empty((self.num_views, 4), np.int64)
        for view, u in enumerate(view_uniforms(results, self.num_views)):
            boxes[view] = params.resized_crop_box(u, height, width, self.crop_scale)
        if max(height, width) > self.max_size:
            # Two columns of tiles, so that two views of 224 fit into 512.
            columns = min(2, self.num_views)
            rows = -(-self.num_views // columns)
            tiles = np.zeros((rows * size, columns * size, 3), np.uint8)
            for view, box in enumerate(boxes):
                top, left = view // columns * size, view % columns * size
                crop = np.empty((size, size, 3), np.uint8)
                crop_and_resize(image, box.tolist(), crop)
                tiles[top : top + size, left : left + size] = crop
                boxes[view] = top, left, size, size
            results['img'] = tiles
        results['crop_boxes'] = boxes
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.num_views}, {self.size}, {self.crop_scale})'
