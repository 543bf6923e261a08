"""Augmentations that make a view of a whole batch on the device.

For ``MultiViewDataPreprocessor(view_augments=[...])``: the loader hands over uint8 images, each
module here makes one view of them. A sample's parameters follow from its draw and the view alone
(see ``datasets.draws``), or, without draws, from torch's global CPU generator. They are computed on
the host for the whole batch and go to the device in one copy each for floats and integers, so that
nothing waits for the device.

Images are RGB here; the preprocessor swaps the channels of BGR ones if its ``to_rgb`` is True.
"""

from typing import Dict, Optional, Sequence, Tuple

import numpy as np
import torch
from mmengine.registry import MODELS
from torch import Tensor, nn

from rcl_mm.augment import ops, params, policies
from rcl_mm.augment.draws import uniforms
from rcl_mm.augment.parts import ColorJitterPart, OperationsPart, to_device
from rcl_mm.errors import InputError

#: Keeps the random numbers here apart from the ones of the loader's transforms of the same view.
DEVICE_STREAM = 1 << 16


class ViewAugment(nn.Module):
    """One view of a batch; subclasses give :meth:`sample` and :meth:`augment`.

    Args:
        compile (bool): Whether torch.compile fuses the work on the pixels; only worth its
            start-up time on a GPU with large images. Defaults to False.
    """

    num_uniforms = 0
    #: Whether ``augment`` takes several batches in one pass, with the views of each batch alone to
    #: the last bit: every operation is one on each element, one that gives whole numbers, or goes
    #: through ``by_batch``.
    several_batches = False

    def __init__(self, compile: bool = False) -> None:
        super().__init__()
        # A compiled augment may round otherwise for another number of samples.
        self.several_batches = self.several_batches and not compile
        self.run = torch.compile(self.augment) if compile else self.augment

    def sample(self, u: np.ndarray, height: int, width: int) -> Dict[str, np.ndarray]:
        """Parameters of N samples from uniforms (N, num_uniforms)."""
        raise NotImplementedError

    def augment(self, images: Tensor, parameters: Dict[str, Tensor]) -> Tensor:
        """The view, from uint8 images and the parameters on their device."""
        raise NotImplementedError

    @torch.no_grad()
    def forward(
        self,
        images: Tensor,
        draws: Optional[Tensor] = None,
        view: int = 0,
        batch_size: Optional[int] = None,
    ) -> Tensor:
        """Make the view.

        Args:
            images (Tensor): RGB in 0..255, uint8 or float, shape (N, 3, H, W).
            draws (Tensor, optional): Draws of the samples, int64 on the CPU, shape (N, ).
                Defaults to None: random numbers from torch's generator.
            view (int): Number of the view. Defaults to 0.
            batch_size (int, optional): The images are several batches of this many, where
                ``several_batches`` is True. Defaults to None: one batch.

        Returns:
            Tensor: RGB in 0..255, float32, not normalised, shape (N, 3, H', W').

        Raises:
            InputError: If the images are not RGB.
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise InputError(
                f'images have shape {tuple(images.shape)}, allowed is (N, 3, H, W): load RGB images'
            )
        n = len(images)
        if draws is None:
            u = torch.rand(n, self.num_uniforms, dtype=torch.float64).numpy()
        else:
            u = uniforms(draws.cpu().numpy(), DEVICE_STREAM + view, self.num_uniforms)
        parameters = to_device(self.sample(u, *images.shape[2:]), images.device)
        if images.dtype != torch.uint8:
            images = images.round().clamp(0, 255).byte()
        # In full precision, also under the model's autocast.
        with torch.autocast(images.device.type, enabled=False):
            if batch_size is not None:
                return self.run(images, parameters, batch_size).float()
            return self.run(images, parameters).float()


@MODELS.register_module()
class CifarSimAugment(ViewAugment):
    """The contrastive views of the CIFAR recipes.

    RandomResizedCrop, mirror, ColorJitter, grey and Gaussian blur. SimCLR's augmentation (Chen et
    al., ICML 2020) as the rebuilt CIFAR recipes of BCL have it.

    Args:
        size (int): Side of the result. Defaults to 32.
        crop_scale (tuple): Share of the area. Defaults to (0.2, 1).
        jitter (tuple): Brightness, contrast, saturation, hue. Defaults to (0.4, 0.4, 0.4, 0.1).
        jitter_prob (float): Defaults to 0.8.
        gray_prob (float): Defaults to 0.2.
        blur_sigma (tuple): Range in pixels. Defaults to (0.1, 2).
        blur_prob (float): 0 for no blur. Defaults to 0.5.
        compile (bool): See :class:`ViewAugment`. Defaults to False.

    Example:
        >>> augment = CifarSimAugment()
        >>> augment(torch.zeros(8, 3, 32, 32, dtype=torch.uint8)).shape
        torch.Size([8, 3, 32, 32])
    """

    several_batches = True

    def __init__(
        self,
        size: int = 32,
        crop_scale: Tuple[float, float] = (0.2, 1.0),
        jitter: Sequence[float] = (0.4, 0.4, 0.4, 0.1),
        jitter_prob: float = 0.8,
        gray_prob: float = 0.2,
        blur_sigma: Tuple[float, float] = (0.1, 2.0),
        blur_prob: float = 0.5,
        compile: bool = False,
    ) -> None:
        super().__init__(compile)
        if not 0 < crop_scale[0] <= crop_scale[1] <= 1 or not 0 < blur_sigma[0] <= blur_sigma[1]:
            raise InputError(
                f'crop_scale is {crop_scale} and blur_sigma {blur_sigma}, allowed are ranges '
                '0 < low <= high, for the crop with high <= 1'
            )
        self.size, self.crop_scale = size, tuple(crop_scale)
        self.jitter = ColorJitterPart(jitter, jitter_prob, gray_prob)
        self.blur_sigma, self.blur_prob = tuple(blur_sigma), blur_prob
        self.num_uniforms = params.CROP_UNIFORMS + params.JITTER_UNIFORMS + 3

    def sample(self, u: np.ndarray, height: int, width: int) -> Dict[str, np.ndarray]:
        """See :meth:`ViewAugment.sample`."""
        crop, jitter, rest = np.split(
            u, np.cumsum([params.CROP_UNIFORMS, params.JITTER_UNIFORMS]), axis=1
        )
        box = params.resized_crop_boxes(crop, height, width, self.crop_scale)
        low, high = self.blur_sigma
        # A sigma of a hundredth of a pixel blurs nothing.
        sigma = np.where(rest[:, 1] < self.blur_prob, low + (high - low) * rest[:, 2], 0.01)
        flip = (rest[:, 0] < 0.5).astype(float)
        return dict(box=box, flip=flip, sigma=sigma, **self.jitter.sample(jitter))

    def augment(
        self, images: Tensor, parameters: Dict[str, Tensor], batch_size: Optional[int] = None
    ) -> Tensor:
        """See :meth:`ViewAugment.augment`."""
        p = parameters
        top, left, height, width = p['box'].unbind(1)
        upright = torch.zeros_like(p['flip'])
        rows = ops.resize_weights(top, height, upright, images.shape[2], self.size)
        columns = ops.resize_weights(left, width, p['flip'], images.shape[3], self.size)
        images = ops.separable(images, rows, columns, batch_size)
        images = self.jitter.augment(images, p, batch_size)
        if self.blur_prob > 0:
            # Beyond three standard deviations lie 0.3%.
            blur = ops.blur_weights(p['sigma'], self.size, int(np.ceil(3 * self.blur_sigma[1])))
            images = ops.separable(images, blur, blur, batch_size)
        return images


@MODELS.register_module()
class CifarClsAugment(ViewAugment):
    """The classification view of the CIFAR recipes: crop, mirror, AutoAugment and Cutout.

    Cubuk et al., "AutoAugment", CVPR 2019 (torchvision's table of the policy); DeVries and Taylor,
    "Cutout", arXiv 1708.04552.

    Args:
        padding (int): Black pixels around the image for the random crop. Defaults to 4.
        policy (str, optional): 'cifar10', 'svhn', 'imagenet' or None. Defaults to 'cifar10'.
        fill (float): Grey value where a shift or rotation uncovers. Defaults to 128.
        cutout_length (int): Side of the black squares; 0 for none. Defaults to 16.
        cutout_holes (int): Defaults to 1.
        flip_prob (float): Defaults to 0.5.
    """

    several_batches = True

    def __init__(
        self,
        padding: int = 4,
        policy: Optional[str] = 'cifar10',
        fill: float = 128.0,
        cutout_length: int = 16,
        cutout_holes: int = 1,
        flip_prob: float = 0.5,
    ) -> None:
        # The groups of samples change with every batch: nothing for torch.compile.
        super().__init__(compile=False)
        if policy not in (None, 'cifar10', 'svhn', 'imagenet'):
            raise InputError(
                f"policy is {policy!r}, allowed are 'cifar10', 'svhn', 'imagenet', None"
            )
        self.padding, self.policy, self.flip_prob = padding, policy, flip_prob
        self.cutout_length, self.cutout_holes = cutout_length, cutout_holes
        self.operations = OperationsPart([fill] * 3, 'nearest')
        self.num_uniforms = 3 + policies.POLICY_UNIFORMS + 2 * cutout_holes

    def sample(self, u: np.ndarray, height: int, width: int) -> Dict[str, np.ndarray]:
        """See :meth:`ViewAugment.sample`."""
        crop, policy, holes = np.split(u, np.cumsum([3, policies.POLICY_UNIFORMS]), axis=1)
        offset = np.floor(crop[:, :2] * (2 * self.padding + 1)).astype(np.int64)
        centres = np.floor(holes.reshape(len(u), -1, 2) * (height, width)).astype(np.int64)
        arrays = dict(
            top=offset[:, 0],
            left=offset[:, 1],
            flip=(crop[:, 2] < self.flip_prob).astype(np.int64),
            centres=centres,
        )
        if self.policy is not None:
            chosen = policies.auto_augment_operations(policy, self.policy, height, width)
            arrays.update(self.operations.sample(*chosen, height, width))
        return arrays

    def augment(
        self, images: Tensor, parameters: Dict[str, Tensor], batch_size: Optional[int] = None
    ) -> Tensor:
        """See :meth:`ViewAugment.augment`."""
        p = parameters
        images = ops.shifted_crop(images, p['top'], p['left'], p['flip'], self.padding)
        if self.policy is not None:
            images = self.operations.augment(images, p)
        if self.cutout_length:
            images = ops.cutout(images, p['centres'], self.cutout_length)
        return images
