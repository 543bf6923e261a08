"""Crops of the views cut and resized on the device, from one decoded image each."""

from typing import List

import numpy as np
import torch
from mmengine.registry import MODELS
from torch import Tensor

from rcl_mm.augment import ops
from rcl_mm.augment.parts import to_device
from rcl_mm.errors import InputError
from rcl_mm.models.preprocessors import MultiViewDataPreprocessor


def crop_and_resize(images: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Cut a box out of each image and resize it, antialiased as PIL does.

    Args:
        images (Tensor): uint8, shape (N, 3, H, W).
        boxes (Tensor): top, left, height, width in pixels, float, shape (N, 4).
        size (int): Side of the result.

    Returns:
        Tensor: uint8, shape (N, 3, size, size).
    """
    n, _, height, width = images.shape
    # Tensor cores multiply half precision with an error below half a grey level.
    dtype = torch.float16 if images.is_cuda else torch.float32
    top, left, box_h, box_w = boxes.unbind(1)
    straight = torch.zeros_like(top)
    rows = ops.resize_weights(top, box_h, straight, height, size).to(dtype)
    columns = ops.resize_weights(left, box_w, straight, width, size).to(dtype)
    # Channels-last memory is (N, H, W * 3): no copy but the one to the type.
    pixels = images.permute(0, 2, 3, 1).reshape(n, height, width * 3).to(dtype)
    resized = torch.bmm(rows, pixels).view(n, size, width, 3)
    # (N, size, W) @ (N, W, size * 3): columns of the image first.
    resized = torch.bmm(columns, resized.transpose(1, 2).reshape(n, width, size * 3))
    resized = resized.view(n, size, size, 3).permute(0, 3, 2, 1)
    return resized.float().round_().clamp_(0, 255).byte()


@MODELS.register_module()
class DeviceCropPreprocessor(MultiViewDataPreprocessor):
    """Cuts the views that ``datasets.CropOnDevice`` chose, then augments each on the device.

    The loader only decodes. ``view_augments`` says what happens to each view after the crop.

    Args:
        view_size (int): Side of the views. Defaults to 224.
        **kwargs: Of :class:`MultiViewDataPreprocessor`; ``view_augments`` is needed.

    Raises:
        InputError: If there are no ``view_augments``, or the samples have no crops for them.
    """

    def __init__(self, *args, view_size: int = 224, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.view_augments is None:
            raise InputError(
                'DeviceCropPreprocessor has no view_augments: give one module for each view, e.g. '
                "[dict(type='RandClsAugment'), dict(type='SimAugment'), dict(type='SimAugment')]"
            )
        self.view_size = view_size

    def _augment(self, images: Tensor, samples) -> List[Tensor]:
        boxes = [sample.get('crop_boxes') for sample in samples or []]
        views = len(self.view_augments)
        if not boxes or any(box is None or len(box) != views for box in boxes):
            raise InputError(
                f'the samples lack crop_boxes for {views} views: put '
                f"dict(type='CropOnDevice', num_views={views}) and PackFast into the pipeline"
            )
        on_device = to_device(dict(boxes=np.stack(boxes, 1).astype(np.float32)), images.device)
        draws = self._draws(samples)
        result = []
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            for view, augment in enumerate(self.view_augments):
                crops = crop_and_resize(images, on_device['boxes'][view], self.view_size)
                result.append(augment(crops, draws, view))
        return result
