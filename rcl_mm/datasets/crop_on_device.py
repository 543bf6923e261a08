"""The loader's half of the views of large images: decode, choose the crops, hand all else on.

The other half is ``models.DeviceCropPreprocessor``, which cuts the crops of a whole batch on the
device and augments them there::

    train_pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='CropOnDevice', num_views=3),
        dict(type='PackFast')]
    train_dataloader = dict(collate_fn=dict(type='fast_collate'), ...)
"""

import math
import random
from typing import List, Sequence, Tuple

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.registry import FUNCTIONS, TRANSFORMS
from torch import Tensor
from torch.utils.data import get_worker_info

from rcl_mm.augment import params
from rcl_mm.augment.draws import draw_of
from rcl_mm.datasets.resident import make_data_sample


def crop_uniforms(results: dict, num_views: int) -> List[List[float]]:
    """Random numbers of (draw, view) for each view, or of numpy's generator without a draw.

    View v has numbers of its own in the sequence of a generator seeded by the draw: a pure
    function of (draw, view), and for one sample ten times as fast as ``draws.uniforms``.
    """
    draw = draw_of(results.get('sample_idx'))
    if draw is None:
        return np.random.random_sample((num_views, params.CROP_UNIFORMS)).tolist()
    uniform = random.Random(draw).random
    return [[uniform() for _ in range(params.CROP_UNIFORMS)] for _ in range(num_views)]


def crop_and_resize(image: np.ndarray, box: Sequence[int], size: int) -> np.ndarray:
    """A box of an image, resized as PIL would: antialiased where it shrinks.

    Args:
        image (np.ndarray): uint8, shape (H, W, 3).
        box (Sequence[int]): top, left, height, width in pixels.
        size (int): Side of the result.

    Returns:
        np.ndarray: uint8, shape (size, size, 3).
    """
    top, left, height, width = box
    crop = image[top : top + height, left : left + width]
    if height <= size and width <= size:
        # Nothing to antialias: the same filter, faster.
        return cv2.resize(crop, (size, size), interpolation=cv2.INTER_LINEAR)
    pixels = torch.from_numpy(np.ascontiguousarray(crop[None])).permute(0, 3, 1, 2)
    resized = torch.nn.functional.interpolate(pixels, (size, size), mode='bilinear', antialias=True)
    return resized[0].permute(1, 2, 0).numpy()


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
        crop_scale: Tuple[float, float] = (0.08, 1.0),
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
        for view, u in enumerate(crop_uniforms(results, self.num_views)):
            boxes[view] = params.resized_crop_box(u, height, width, self.crop_scale)
        if max(height, width) > self.max_size:
            # Two columns of tiles, so that two views of 224 fit into 512.
            columns = min(2, self.num_views)
            rows = -(-self.num_views // columns)
            tiles = np.zeros((rows * size, columns * size, 3), np.uint8)
            for view, box in enumerate(boxes):
                top, left = view // columns * size, view % columns * size
                crop = crop_and_resize(image, box.tolist(), size)
                tiles[top : top + size, left : left + size] = crop
                boxes[view] = top, left, size, size
            results['img'] = tiles
        results['crop_boxes'] = boxes
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.num_views}, {self.size}, {self.crop_scale})'


@TRANSFORMS.register_module()
class PackFast(BaseTransform):
    """MMPretrain's ``PackInputs`` for an image with ``crop_boxes``, without copying its pixels.

    ``inputs`` is (3, H, W) as usual, seen in the memory of the decoded image, (H, W, 3).
    """

    def transform(self, results: dict) -> dict:
        """``inputs`` and ``data_samples``.

        Raises:
            ValueError: If no crops were chosen.
        """
        if 'crop_boxes' not in results:
            raise ValueError(
                'PackFast got an image without crop_boxes: put CropOnDevice before it, or take '
                'PackInputs'
            )
        image = results['img']
        sample = make_data_sample(
            torch.tensor([results['gt_label']]),
            results.get('sample_idx'),
            results.get('img_path'),
            image.shape[:2],
            results.get('ori_shape'),
        )
        sample.set_field(results['crop_boxes'], 'crop_boxes', field_type='metainfo')
        # torch takes no array that is read-only or reversed, as by [..., ::-1].
        pixels = torch.from_numpy(np.require(image, requirements=('C', 'W')))
        return dict(inputs=pixels.permute(2, 0, 1), data_samples=sample)


def _empty_batch(shape: Tuple[int, ...]) -> Tensor:
    """uint8 memory, in a worker process shared with the process that it works for."""
    if get_worker_info() is None:
        return torch.empty(shape, dtype=torch.uint8)
    storage = torch.UntypedStorage._new_shared(math.prod(shape))
    return torch.empty(0, dtype=torch.uint8).set_(storage).view(shape)


@FUNCTIONS.register_module()
def fast_collate(batch: Sequence[dict]) -> dict:
    """Collate images of any sizes whose crops are still to be cut; all else as MMEngine does.

    Args:
        batch (Sequence[dict]): Samples of :class:`PackFast`, or of any other pipeline.

    Returns:
        dict: ``inputs``: uint8, (N, 3, H, W) in channels-last memory, smaller images padded with 0
        below and to the right; ``data_samples``: list of N. Without ``crop_boxes``: what MMEngine's
        ``default_collate`` gives.
    """
    if 'crop_boxes' not in (batch[0].get('data_samples') or ()):
        return FUNCTIONS.get('default_collate')(batch)
    images = [item['inputs'].permute(1, 2, 0) for item in batch]
    height, width = (max(image.shape[side] for image in images) for side in (0, 1))
    inputs = _empty_batch((len(images), height, width, 3))
    if all(image.shape[:2] == (height, width) for image in images):
        torch.stack(images, out=inputs)
    else:
        for row, image in zip(inputs, images):
            row[: image.shape[0], : image.shape[1]] = image
            row[image.shape[0] :] = 0
            row[: image.shape[0], image.shape[1] :] = 0
    # Channels-last memory, which cuDNN prefers, under the usual order of dimensions.
    return dict(
        inputs=inputs.permute(0, 3, 1, 2), data_samples=[item['data_samples'] for item in batch]
    )
