"""Device augmentations of ImageNet-sized views, see :mod:`rcl_mm.augment.views`."""

from typing import Dict, Optional, Sequence, Tuple

import numpy as np
import torch
from mmengine.registry import MODELS
from torch import Tensor

from rcl_mm.augment import ops, params, policies
from rcl_mm.augment.parts import ColorJitterPart, OperationsPart
from rcl_mm.augment.views import ViewAugment


@MODELS.register_module()
class SimAugment(ViewAugment):
    """The contrastive views of the ImageNet recipes, without the crop, which the loader does.

    Mirror, ColorJitter and grey (BCL's "sim"); with ``rand_augment`` BCL's "rand", and with
    ``jitter=(0.4, 0.4, 0.4, 0), jitter_prob=1, gray_prob=0, rand_augment=(2, 10, 0.5)`` its
    "randcls", see :class:`RandClsAugment`.

    Args:
        jitter (tuple): Brightness, contrast, saturation, hue. Defaults to (0.4, 0.4, 0.4, 0.1).
        jitter_prob (float): Defaults to 0.8.
        gray_prob (float): Defaults to 0.2.
        rand_augment (tuple, optional): timm's (n, m, mstd) of RandAugment. Defaults to None.
        fill (tuple): RGB where a shift or rotation uncovers. Defaults to ImageNet's mean colour.
        flip_prob (float): Defaults to 0.5.
        compile (bool): See :class:`ViewAugment`. Not with ``rand_augment``. Defaults to False.
    """

    def __init__(
        self,
        jitter: Sequence[float] = (0.4, 0.4, 0.4, 0.1),
        jitter_prob: float = 0.8,
        gray_prob: float = 0.2,
        rand_augment: Optional[Tuple[int, float, float]] = None,
        fill: Sequence[float] = (124.0, 116.0, 104.0),
        flip_prob: float = 0.5,
        compile: bool = False,
    ) -> None:
        super().__init__(compile=False)
        self.jitter = ColorJitterPart(jitter, jitter_prob, gray_prob)
        # The samples of RandAugment's operations change with every batch, those of this do not.
        self.colour = torch.compile(self.flip_and_jitter) if compile else self.flip_and_jitter
        self.rand_augment = None if rand_augment is None else tuple(rand_augment)
        self.operations = OperationsPart(fill, 'bilinear')
        self.flip_prob = flip_prob
        self.num_uniforms = 1 + params.JITTER_UNIFORMS
        if self.rand_augment is not None:
            self.num_uniforms += self.rand_augment[0] * policies.RAND_AUGMENT_UNIFORMS

    def sample(self, u: np.ndarray, height: int, width: int) -> Dict[str, np.ndarray]:
        """See :meth:`ViewAugment.sample`."""
        flip, jitter, rest = np.split(u, np.cumsum([1, params.JITTER_UNIFORMS]), axis=1)
        flip = (flip[:, 0] < self.flip_prob).astype(float)
        arrays = dict(flip=flip, **self.jitter.sample(jitter))
        if self.rand_augment is not None:
            chosen = policies.rand_augment_operations(rest, *self.rand_augment, height, width)
            arrays.update(self.operations.sample(*chosen, height, width))
        return arrays

    def flip_and_jitter(self, images: Tensor, parameters: Dict[str, Tensor]) -> Tensor:
        """The part that all samples have in common."""
        return self.jitter.augment(ops.random_flip(images, parameters['flip']), parameters)

    def augment(self, images: Tensor, parameters: Dict[str, Tensor]) -> Tensor:
        """See :meth:`ViewAugment.augment`."""
        # The same keys in every batch: one compiled graph.
        common = {k: parameters[k] for k in ('flip', 'scale', 'of_mean', 'shift', 'gray')}
        images = self.colour(images, common)
        if self.rand_augment is not None:
            images = self.operations.augment(images.round_().byte(), parameters)
        return images


@MODELS.register_module()
class RandClsAugment(SimAugment):
    """The classification view of the ImageNet recipes, without the crop, which the loader does.

    Mirror, ColorJitter(0.4, 0.4, 0.4, 0) and RandAugment (BCL's "randcls").

    Args:
        **kwargs: Of :class:`SimAugment`, to change the values named.
    """

    def __init__(self, **kwargs) -> None:
        settings = dict(
            jitter=(0.4, 0.4, 0.4, 0.0), jitter_prob=1.0, gray_prob=0.0, rand_augment=(2, 10.0, 0.5)
        )
        super().__init__(**{**settings, **kwargs})
