"""Augmentations of image batches on the device, each sample with parameters of its own.

All functions take (N, 3, H, W) RGB images of 0..255 and per-sample parameters as tensors on the
same device. None waits for the device: no ``.item()``, no boolean indexing, and every shape is
known on the host.
"""

from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from rcl_mm.augment.by_batch import by_batch


def resize_weights(start: Tensor, length: Tensor, flip: Tensor, in_size: int, out_size: int):
    """Matrices that crop, resize and mirror along one axis: ``out = weights @ in``.

    The antialiased bilinear filter of PIL and torchvision, which sees nothing beyond the crop.

    Args:
        start (Tensor): First pixel of the crop, shape (N, ).
        length (Tensor): Pixels of the crop, shape (N, ).
        flip (Tensor): 1 to mirror, else 0, shape (N, ).
        in_size (int): Pixels of the image.
        out_size (int): Pixels of the result.

    Returns:
        Tensor: Weights whose rows sum to 1, shape (N, out_size, in_size).
    """
    centre = torch.arange(out_size, device=start.device) + 0.5
    pixel = torch.arange(in_size, device=start.device) + 0.5
    start, length, flip = (t[:, None, None] for t in (start, length, flip))
    centre = centre[None, :, None]
    centre = torch.where(flip > 0.5, out_size - centre, centre)
    scale = length / out_size
    weights = (pixel - (start + centre * scale)) / scale.clamp(min=1.0)
    weights = (1 - weights.abs_()).clamp_(min=0)
    weights = weights * ((pixel > start) & (pixel < start + length))
    return weights / weights.sum(2, keepdim=True)


def blur_weights(sigma: Tensor, size: int, radius: int) -> Tensor:
    """Matrices of a Gaussian blur along one axis; the border pixels go on beyond the border.

    Args:
        sigma (Tensor): Standard deviations in pixels, > 0, shape (N, ); a tiny one blurs nothing.
        size (int): Pixels.
        radius (int): Where the kernel ends.

    Returns:
        Tensor: Weights whose rows sum to 1, shape (N, size, size).
    """
    position = torch.arange(size, device=sigma.device)
    reached = torch.arange(-radius, size + radius, device=sigma.device)
    distance = (reached[None, :] - position[:, None]).float()
    weights = torch.exp(-0.5 * (distance / sigma[:, None, None]).square())
    weights = weights * (distance.abs() <= radius)
    weights = weights / weights.sum(2, keepdim=True)
    beyond_left = weights[..., :radius].sum(2)
    beyond_right = weights[..., radius + size :].sum(2)
    weights = weights[..., radius : radius + size].contiguous()
    weights[..., 0] += beyond_left
    weights[..., -1] += beyond_right
    return weights


def separable(
    images: Tensor, rows: Tensor, columns: Tensor, batch_size: Optional[int] = None
) -> Tensor:
    """``rows @ image @ columns^T`` of each channel: float, (N, 3, out rows, out columns)."""

    def product(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        return rows[:, None] @ images @ columns.transpose(1, 2)[:, None]

    return by_batch(product, batch_size, images.float(), rows, columns)


def _mix_channels(matrix: Tensor, values: Tensor) -> Tensor:
    """``matrix @ values`` of each sample, (N, 3, 3) and (N, 3, P).

    Element by element, so that it rounds alike for any number of samples; ``torch.compile`` fuses
    it with what is before and after.
    """
    columns, channels = matrix.split(1, 2), values.split(1, 1)
    mixed = columns[0] * channels[0]
    return mixed.addcmul_(columns[1], channels[1]).addcmul_(columns[2], channels[2])


def color_matrix(
    images: Tensor, scale: Tensor, of_mean: Tensor, batch_size: Optional[int] = None
) -> Tensor:
    """``clamp(M x + B mean(x), 0, 255)`` of the RGB values x of each sample.

    Args:
        images (Tensor): Float, shape (N, 3, H * W).
        scale (Tensor): M, shape (N, 3, 3).
        of_mean (Tensor): B, shape (N, 3, 3), applied to the mean colour of the image.
        batch_size (int, optional): See ``by_batch``. Defaults to None.

    Returns:
        Tensor: Float, shape (N, 3, H * W).
    """
    mean = by_batch(lambda values: values.mean(2, keepdim=True), batch_size, images)
    offset = _mix_channels(of_mean, mean)
    return _mix_channels(scale, images).add_(offset).clamp_(0, 255)


def shift_hue(images: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue of each sample, through HSV as torchvision does.

    Args:
        images (Tensor): Float, shape (N, 3, ...).
        shift (Tensor): Share of the circle, shape (N, ).

    Returns:
        Tensor: Float, the shape of ``images``.
    """
    broadcast = (-1,) + (1,) * (images.ndim - 2)
    red, green, blue = images.unbind(1)
    value, chroma = images.amax(1), images.amax(1) - images.amin(1)
    # Six times the hue, times the chroma.
    hue = torch.where(
        value == red,
        green - blue,
        torch.where(
            value == green,
            torch.add(blue - red, chroma, alpha=2),
            torch.add(red - green, chroma, alpha=4),
        ),
    )
    hue = hue / chroma.clamp(min=1e-6) + 6 * shift.view(broadcast)
    # Red, green and blue are one function of the hue, a third of the circle apart.
    channel = torch.arange(5, 0, -2, device=images.device).view((1, 3) + broadcast[1:])
    k = torch.remainder(hue.unsqueeze(1) + channel, 6)
    k = torch.minimum(k, 4 - k).clamp_(0, 1)
    return value.unsqueeze(1) - chroma.unsqueeze(1) * k


def color_jitter(
    images: Tensor,
    scale: Tensor,
    of_mean: Tensor,
    shift: Tensor,
    gray: Tensor,
    batch_size: Optional[int] = None,
) -> Tensor:
    """ColorJitter in each sample's own order, then grey where asked.

    Args:
        images (Tensor): Shape (N, 3, H, W).
        scale, of_mean, shift: Of ``datasets.augment_params.color_jitter_steps``.
        gray (Tensor): Last matrix: the identity or grey, shape (N, 3, 3).
        batch_size (int, optional): See ``by_batch``. Defaults to None.

    Returns:
        Tensor: Float, shape (N, 3, H, W).
    """
    pixels = images.float().flatten(2)
    for slot in range(scale.shape[1]):
        if slot == 3:
            pixels = shift_hue(pixels, shift)
        pixels = color_matrix(pixels, scale[:, slot], of_mean[:, slot], batch_size)
    return _mix_channels(gray, pixels).view_as(images)


def affine(images: Tensor, matrix: Tensor, fill: Tensor, mode: str = 'nearest') -> Tensor:
    """Sample each image where its matrix says.

    Args:
        images (Tensor): uint8, shape (N, 3, H, W).
        matrix (Tensor): Output to input in pixel edges, shape (N, 2, 3).
        fill (Tensor): Colour beyond the border, shape (3, ).
        mode (str): 'nearest' or 'bilinear'. Defaults to 'nearest'.

    Returns:
        Tensor: uint8, shape (N, 3, H, W).
    """
    height, width = images.shape[2:]
    x = torch.arange(width, device=images.device) + 0.5
    y = (torch.arange(height, device=images.device) + 0.5)[:, None]
    # Not a matrix product, which could run in TF32 and miss the pixel.
    entry = matrix[..., None, None]
    source_x = entry[:, 0, 0] * x + (entry[:, 0, 1] * y + entry[:, 0, 2])
    source_y = entry[:, 1, 0] * x + (entry[:, 1, 1] * y + entry[:, 1, 2])
    grid = torch.stack([source_x * (2 / width) - 1, source_y * (2 / height) - 1], 3)
    fill = fill.view(1, 3, 1, 1)
    moved = F.grid_sample(images.float() - fill, grid, mode=mode, align_corners=False)
    return moved.add_(fill).add_(0.5 if mode == 'bilinear' else 1e-3).clamp_(0, 255).byte()


def enhance(images: Tensor, scale: Tensor, of_mean: Tensor) -> Tensor:
    """Brightness, contrast or colour of uint8 images, see :func:`color_matrix`; uint8."""
    return color_matrix(images.float().flatten(2), scale, of_mean).byte().view_as(images)


def levels(images: Tensor, keep_bits: Tensor, threshold: Tensor, add: Tensor) -> Tensor:
    """Posterize, solarize, invert (solarize from 0) and solarize-add of uint8 images.

    Args:
        images (Tensor): uint8, shape (N, 3, H, W).
        keep_bits (Tensor): Mask of the bits to keep, 255 for all, shape (N, ).
        threshold (Tensor): Values from here on are inverted, 256 for none, shape (N, ).
        add (Tensor): Added to values below 128, shape (N, ).

    Returns:
        Tensor: uint8, shape (N, 3, H, W).
    """
    keep_bits, threshold, add = (t.view(-1, 1, 1, 1) for t in (keep_bits, threshold, add))
    values = (images & keep_bits.byte()).float()
    values = torch.where(values >= threshold, 255 - values, values)
    values = torch.where(values < 128, (values + add).clamp_(max=255), values)
    return values.byte()


def sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """Blend uint8 images with their 3x3 smoothing, as PIL does: the border stays; uint8."""
    values = images.float()
    smooth = (9 * F.avg_pool2d(values, 3, 1) + 4 * values[..., 1:-1, 1:-1]) / 13
    inner = values[..., 1:-1, 1:-1]
    # In place, through the view.
    inner.lerp_(smooth.round_(), 1 - factor.view(-1, 1, 1, 1))
    return values.add_(1e-3).clamp_(0, 255).byte()


def auto_contrast(images: Tensor) -> Tensor:
    """Stretch each channel of uint8 images to 0..255; uint8."""
    values = images.float()
    low, high = values.amin((2, 3), keepdim=True), values.amax((2, 3), keepdim=True)
    flat = (high == low).float()
    # A channel of one value stays as it is.
    scale = 255 / (high - low + 255 * flat)
    return ((values - low * (1 - flat)) * scale).add_(1e-3).clamp_(0, 255).byte()


def equalize(images: Tensor) -> Tensor:
    """Equalize the histogram of each channel of uint8 images as PIL does; uint8."""
    n, channels, height, width = images.shape
    index = images.view(n, channels, -1).long()
    histogram = torch.zeros(n, channels, 256, dtype=torch.int32, device=images.device)
    histogram.scatter_add_(2, index, torch.ones_like(histogram[..., :1]).expand_as(index))
    in_last = histogram.gather(2, index.amax(2, keepdim=True))
    step = (height * width - in_last).div(255, rounding_mode='floor')
    below = histogram.cumsum(2, dtype=torch.int32) - histogram
    half = step.div(2, rounding_mode='floor')
    table = (below + half).div(step.clamp(min=1), rounding_mode='floor').clamp_(max=255)
    identity = torch.arange(256, dtype=torch.int32, device=images.device).expand_as(table)
    table = torch.where(step > 0, table, identity).byte()
    return table.gather(2, index).view_as(images)


def shifted_crop(images: Tensor, top: Tensor, left: Tensor, flip: Tensor, padding: int) -> Tensor:
    """Pad with black, crop to the old size at (top, left) and mirror where ``flip`` is 1.

    Args:
        images (Tensor): Shape (N, 3, H, W).
        top, left, flip (Tensor): int64, shape (N, ).
        padding (int): Pixels on each side.

    Returns:
        Tensor: Shape (N, 3, H, W), the type of ``images``.
    """
    n, channels, height, width = images.shape
    device = images.device
    padded = F.pad(images, (padding,) * 4)
    column = torch.arange(width, device=device)
    column = torch.where(flip[:, None] > 0, width - 1 - column, column) + left[:, None]
    row = torch.arange(height, device=device) + top[:, None]
    sample = torch.arange(n, device=device).view(-1, 1, 1, 1)
    channel = torch.arange(channels, device=device).view(1, -1, 1, 1)
    return padded[sample, channel, row[:, None, :, None], column[:, None, None, :]]


def cutout(images: Tensor, centres: Tensor, length: int) -> Tensor:
    """Black squares around the centres, clipped at the border.

    Args:
        images (Tensor): Shape (N, 3, H, W).
        centres (Tensor): y, x of each hole in pixels, shape (N, holes, 2).
        length (int): Side of a hole.

    Returns:
        Tensor: Shape (N, 3, H, W), the type of ``images``.
    """

    def inside(size: int, centre: Tensor) -> Tensor:
        first = (centre - length // 2)[..., None]
        position = torch.arange(size, device=images.device)
        return (position >= first) & (position < first + length)

    rows = inside(images.shape[2], centres[..., 0])
    columns = inside(images.shape[3], centres[..., 1])
    holes = (rows[..., :, None] & columns[..., None, :]).any(1, keepdim=True)
    return images.masked_fill(holes, 0)


def random_flip(images: Tensor, flip: Tensor) -> Tensor:
    """Mirror the samples whose ``flip`` is 1, shape (N, )."""
    return torch.where(flip.view(-1, 1, 1, 1) > 0.5, images.flip(3), images)
