"""The augmentation of the Digits-LT configs for a whole batch on the device."""

from typing import Dict, Optional, Tuple

import numpy as np
import torch
from mmengine.registry import MODELS
from torch import Tensor

from rcl_mm.augment import ops, params, policies
from rcl_mm.augment.parts import ColorJitterPart
from rcl_mm.augment.views import ViewAugment


@MODELS.register_module()
class DigitsAugment(ViewAugment):
    """RandomResizedCrop, rotation, brightness and contrast, Cutout.

    The distribution of the loader's pipeline in ``configs/_base_/datasets/digits_lt.py``; the
    rotation's level is normal around 7 of 10, clipped, as MMPretrain's ``Rotate`` draws it.

    Args:
        size (int): Side of the result. Defaults to 32.
        crop_scale (tuple): Share of the area. Defaults to (0.5, 1).
        max_angle (float): Degrees at level 10. Defaults to 15.
        angle_level (tuple): Mean and standard deviation of the level. Defaults to (7, 5).
        rotate_prob (float): Defaults to 0.8.
        jitter (tuple): Brightness and contrast. Defaults to (0.4, 0.4).
        cutout_length (int): Side of the black square. Defaults to 8.
        cutout_prob (float): Defaults to 0.5.
        fill (float): Grey value where the rotation uncovers. Defaults to 0, the background.
    """

    several_batches = True

    def __init__(
        self,
        size: int = 32,
        crop_scale: Tuple[float, float] = (0.5, 1.0),
        max_angle: float = 15.0,
        angle_level: Tuple[float, float] = (7.0, 5.0),
        rotate_prob: float = 0.8,
        jitter: Tuple[float, float] = (0.4, 0.4),
        cutout_length: int = 8,
        cutout_prob: float = 0.5,
        fill: float = 0.0,
    ) -> None:
        super().__init__()
        self.size, self.crop_scale = size, tuple(crop_scale)
        self.max_angle, self.angle_level, self.rotate_prob = max_angle, angle_level, rotate_prob
        self.jitter = ColorJitterPart((*jitter, 0.0, 0.0), prob=1.0, gray_prob=0.0)
        self.cutout_length, self.cutout_prob, self.fill = cutout_length, cutout_prob, fill
        self.num_uniforms = params.CROP_UNIFORMS + 3 + params.JITTER_UNIFORMS + 3

    def sample(self, u: np.ndarray, height: int, width: int) -> Dict[str, np.ndarray]:
        """See :meth:`ViewAugment.sample`."""
        crop, turn, jitter, hole = np.split(
            u, np.cumsum([params.CROP_UNIFORMS, 3, params.JITTER_UNIFORMS]), axis=1
        )
        mean, deviation = self.angle_level
        level = np.clip(mean + deviation * _normal(turn[:, 1]), 0, 10)
        angle = self.max_angle * level / 10 * np.where(turn[:, 2] < 0.5, -1, 1)
        angle = np.where(turn[:, 0] < self.rotate_prob, angle, 0.0)
        code = np.full(len(u), policies.CODES['Rotate'])
        centres = np.floor(hole[:, 1:] * self.size).astype(np.int64)
        # A hole far outside of the image is none.
        centres[hole[:, 0] >= self.cutout_prob] = -self.size - self.cutout_length
        return dict(
            box=params.resized_crop_boxes(crop, height, width, self.crop_scale),
            matrix=policies.affine_matrices(code, angle, self.size, self.size),
            centres=centres[:, None],
            fill=np.full(3, self.fill),
            **self.jitter.sample(jitter),
        )

    def augment(
        self, images: Tensor, parameters: Dict[str, Tensor], batch_size: Optional[int] = None
    ) -> Tensor:
        """See :meth:`ViewAugment.augment`."""
        p = parameters
        top, left, height, width = p['box'].unbind(1)
        upright = top.new_zeros(len(top))
        rows = ops.resize_weights(top, height, upright, images.shape[2], self.size)
        columns = ops.resize_weights(left, width, upright, images.shape[3], self.size)
        images = ops.separable(images, rows, columns, batch_size).round_().clamp_(0, 255).byte()
        images = self.jitter.augment(ops.affine(images, p['matrix'], p['fill']), p, batch_size)
        return ops.cutout(images, p['centres'], self.cutout_length)


def _normal(u: np.ndarray) -> np.ndarray:
    """Uniform numbers to standard normal ones. Not by scipy, whose import takes 0.2 s."""
    return torch.special.ndtri(torch.from_numpy(np.clip(u, 1e-12, None))).numpy()
