"""From the images of the fast transforms to a batch, by as few copies as there can be."""

from typing import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.registry import FUNCTIONS, TRANSFORMS
from torch import Tensor

from rcl_mm.datasets.batch_memory import empty_batch, finish_batch
from rcl_mm.datasets.resident import make_data_sample


@TRANSFORMS.register_module()
class PackFast(BaseTransform):
    """MMPretrain's ``PackInputs`` without copying pixels; for :func:`fast_collate`.

    ``inputs`` are the images as they lie in memory, (H, W, 3), one or a list of V.
    """

    def transform(self, results: dict) -> dict:
        """``inputs`` and ``data_samples``."""
        images = results['img']
        several = isinstance(images, list)
        sample = make_data_sample(
            torch.tensor([results['gt_label']]),
            results.get('sample_idx'),
            results.get('img_path'),
            (images[0] if several else images).shape[:2],
            results.get('ori_shape'),
        )
        if 'crop_boxes' in results:
            sample.set_field(results['crop_boxes'], 'crop_boxes', field_type='metainfo')
        # torch takes no array that is read-only or reversed, as by [..., ::-1].
        inputs = [
            torch.from_numpy(np.require(image, requirements=('C', 'W')))
            for image in (images if several else [images])
        ]
        return dict(inputs=inputs if several else inputs[0], data_samples=sample)


def _stack(images: Sequence[Tensor]) -> Tensor:
    height, width = (max(image.shape[side] for image in images) for side in (0, 1))
    batch = empty_batch((len(images), height, width, 3))
    if all(image.shape[:2] == (height, width) for image in images):
        torch.stack(images, out=batch)
    else:
        for row, image in zip(batch, images):
            row[: image.shape[0], : image.shape[1]] = image
            row[image.shape[0] :] = 0
            row[: image.shape[0], image.shape[1] :] = 0
    return batch


@FUNCTIONS.register_module()
def fast_collate(batch: Sequence[dict]) -> dict:
    """Collate samples of :class:`PackFast`.

    Args:
        batch (Sequence[dict]): Samples; their single images may differ in size.

    Returns:
        dict: ``inputs``: uint8, (N, 3, H, W) in channels-last memory, a list of V of them for
        views, smaller images padded with 0 below and to the right; ``data_samples``: list of N.
    """
    several = isinstance(batch[0]['inputs'], list)
    if several:
        views = list(zip(*(item['inputs'] for item in batch)))
        inputs = finish_batch(views) or [_stack(images) for images in views]
    else:
        inputs = [_stack([item['inputs'] for item in batch])]
    # Channels-last memory, which cuDNN prefers, under the usual order of dimensions.
    inputs = [images.permute(0, 3, 1, 2) for images in inputs]
    samples = [item['data_samples'] for item in batch]
    return dict(inputs=inputs if several else inputs[0], data_samples=samples)
