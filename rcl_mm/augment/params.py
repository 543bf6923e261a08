"""Parameters of random crops and colour jitter for a whole batch, from uniform random numbers.

Pure functions from uniforms in [0, 1), shape (N, k), to the parameters of N samples in numpy
float64. Where the uniforms come from (``uniforms(draws, view, n)`` or a generator) is the caller's
business. The distribution is the one of torchvision, which the tests compare with.
"""

import math
from typing import Sequence, Tuple

import numpy as np

#: ITU-R 601-2 luma weights of R, G, B, as in PIL's conversion to grey.
LUMA = np.array([0.299, 0.587, 0.114])

CROP_ATTEMPTS = 10
CROP_UNIFORMS = 2 + 2 * CROP_ATTEMPTS
JITTER_UNIFORMS = 10


def symmetric_range(value: float) -> Tuple[float, float]:
    """The range of factors that torchvision's ColorJitter makes of one number."""
    return max(0.0, 1.0 - value), 1.0 + value


def resized_crop_boxes(
    u: np.ndarray,
    height: int,
    width: int,
    scale: Tuple[float, float] = (0.08, 1.0),
    ratio: Tuple[float, float] = (3 / 4, 4 / 3),
) -> np.ndarray:
    """Boxes of RandomResizedCrop: area and aspect ratio at random, the first that fits of ten.

    Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, in torchvision's form: if none of
    ten fits, the largest central box with an allowed ratio.

    Args:
        u (np.ndarray): Uniforms, shape (N, CROP_UNIFORMS).
        height (int): Of the images.
        width (int): Of the images.
        scale (tuple): Range of the share of the area. Defaults to (0.08, 1).
        ratio (tuple): Range of width / height. Defaults to (3/4, 4/3).

    Returns:
        np.ndarray: top, left, height, width in pixels, shape (N, 4).
    """
    n = len(u)
    area = height * width * (scale[0] + (scale[1] - scale[0]) * u[:, 2::2])
    low, high = np.log(ratio[0]), np.log(ratio[1])
    aspect = np.exp(low + (high - low) * u[:, 3::2])
    widths = np.rint(np.sqrt(area * aspect))
    heights = np.rint(np.sqrt(area / aspect))
    fits = (widths > 0) & (widths <= width) & (heights > 0) & (heights <= height)
    first = fits.argmax(1)
    rows = np.arange(n)
    box_h, box_w = heights[rows, first], widths[rows, first]
    none = ~fits[rows, first]
    fallback_w, fallback_h = width, height
    if width / height < ratio[0]:
        fallback_h = round(width / ratio[0])
    elif width / height > ratio[1]:
        fallback_w = round(height * ratio[1])
    box_h = np.where(none, fallback_h, box_h)
    box_w = np.where(none, fallback_w, box_w)
    top = np.where(none, (height - fallback_h) // 2, np.floor(u[:, 0] * (height - box_h + 1)))
    left = np.where(none, (width - fallback_w) // 2, np.floor(u[:, 1] * (width - box_w + 1)))
    return np.stack([top, left, box_h, box_w], 1)


def resized_crop_box(
    u: Sequence[float],
    height: int,
    width: int,
    scale: Tuple[float, float] = (0.08, 1.0),
    ratio: Tuple[float, float] = (3 / 4, 4 / 3),
) -> Tuple[int, int, int, int]:
    """:func:`resized_crop_boxes` of one sample, ten times as fast as numpy is for one."""
    low, high = math.log(ratio[0]), math.log(ratio[1])
    for attempt in range(CROP_ATTEMPTS):
        area = height * width * (scale[0] + (scale[1] - scale[0]) * u[2 + 2 * attempt])
        aspect = math.exp(low + (high - low) * u[3 + 2 * attempt])
        box_w, box_h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < box_w <= width and 0 < box_h <= height:
            top, left = int(u[0] * (height - box_h + 1)), int(u[1] * (width - box_w + 1))
            return top, left, box_h, box_w
    boxes = resized_crop_boxes(np.array([u]), height, width, scale, ratio)
    return tuple(int(value) for value in boxes[0])


def color_jitter_steps(
    u: np.ndarray,
    brightness: float,
    contrast: float,
    saturation: float,
    hue: float,
    prob: float = 1.0,
    gray_prob: float = 0.0,
) -> Tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """ColorJitter and RandomGrayscale of each sample, as matrices.

    Brightness, contrast and saturation are each ``clamp(M x + B mean(x))`` of the RGB values x.
    torchvision applies them and the hue in random order; here a sample's steps before its hue
    shift stand in slots 0-2 and the ones after it in slots 3-5, and unused slots are the identity,
    so that one pass fits all orders::

        slot:   0   1   2   [hue]   3   4   5
        c s H b -> c   s   1    H     1   1   b

    Args:
        u (np.ndarray): Uniforms, shape (N, JITTER_UNIFORMS).
        brightness, contrast, saturation, hue (float): As in torchvision's ColorJitter.
        prob (float): Probability of the jitter. Defaults to 1.
        gray_prob (float): Probability of a grey image after it. Defaults to 0.

    Returns:
        tuple: M (N, S, 3, 3) and B (N, S, 3, 3) with S = 6 slots, or 3 without hue; the hue shift
        (N, ) as a share of the circle; and whether the image becomes grey (N, ) bool.
    """
    n = len(u)
    jitters = u[:, 0] < prob
    to_gray = u[:, 1] < gray_prob
    # A random permutation: the rank of each operation's key; operation 3 is the hue.
    keys = u[:, 2:6] if hue else u[:, 2:5]
    rank = keys.argsort(1).argsort(1)
    slots = 6 if hue else 3
    shift = (2 * u[:, 9] - 1) * hue * jitters
    rows = np.arange(n)
    eye, luma = np.eye(3), np.tile(LUMA, (3, 1))
    scale = np.broadcast_to(eye, (n, slots, 3, 3)).copy()
    of_mean = np.zeros((n, slots, 3, 3))
    for operation, value in enumerate((brightness, contrast, saturation)):
        low, high = symmetric_range(value)
        factor = np.where(jitters, low + (high - low) * u[:, 6 + operation], 1.0)[:, None, None]
        slot = rank[:, operation]
        if hue:
            slot = np.where(slot < rank[:, 3], slot, slot + 2)
        scale[rows, slot] = factor * eye + ((1 - factor) * luma if operation == 2 else 0)
        if operation == 1:
            of_mean[rows, slot] = (1 - factor) * luma
    return scale, of_mean, shift, to_gray
