"""Parameters of random augmentations for a whole batch at once, from uniform random numbers.

Pure functions from uniforms in [0, 1), shape (N, k), to the parameters of N samples in numpy
float64. Where the uniforms come from (``uniforms(draws, view, n)`` or a generator) and which code
changes the pixels (OpenCV on the CPU, torch on an accelerator) is the caller's business, so that
all of them share one distribution: the one of torchvision and timm, which the tests compare with.
"""

from typing import Sequence, Tuple

import numpy as np
import torchvision.transforms as T

#: ITU-R 601-2 luma weights of R, G, B, as in PIL's conversion to grey.
LUMA = np.array([0.299, 0.587, 0.114])

CROP_ATTEMPTS = 10
CROP_UNIFORMS = 2 + 2 * CROP_ATTEMPTS
JITTER_UNIFORMS = 10
POLICY_UNIFORMS = 5
RAND_AUGMENT_UNIFORMS = 6  # per operation

GEOMETRIC = ('ShearX', 'ShearY', 'TranslateX', 'TranslateY', 'Rotate')
ENHANCE = ('Brightness', 'Color', 'Contrast')
LEVELS = ('Invert', 'Posterize', 'Solarize', 'SolarizeAdd')
OPERATIONS = (
    ('Identity',) + GEOMETRIC + ENHANCE + LEVELS + ('Sharpness', 'AutoContrast', 'Equalize')
)
CODES = {name: code for code, name in enumerate(OPERATIONS)}
#: The operations that timm's RandAugment picks from, with equal probability.
RAND_AUGMENT = (
    'AutoContrast',
    'Equalize',
    'Invert',
    'Rotate',
    'Posterize',
    'Solarize',
    'SolarizeAdd',
    'Color',
    'Contrast',
    'Brightness',
    'Sharpness',
    'ShearX',
    'ShearY',
    'TranslateX',
    'TranslateY',
)


def is_in(operation: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Whether each operation code is one of the names."""
    return np.isin(operation, [CODES[name] for name in names])


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


def auto_augment_operations(
    u: np.ndarray, policy: str, height: int, width: int
) -> Tuple[np.ndarray, np.ndarray]:
    """The two operations of AutoAugment for each sample, by torchvision's policies.

    Args:
        u (np.ndarray): Uniforms, shape (N, POLICY_UNIFORMS).
        policy (str): 'cifar10', 'imagenet' or 'svhn'.
        height (int): Of the images, for the range of the shifts.
        width (int): Of the images.

    Returns:
        tuple: Operation codes (see ``CODES``) and values (see :func:`affine_matrices` and
        ``models.augment_ops``), both of shape (N, 2).
    """
    policies = T.AutoAugment(T.AutoAugmentPolicy(policy)).policies
    table = np.array(
        [[(CODES[o], p, -1 if m is None else m) for o, p, m in pair] for pair in policies]
    )
    chosen = table[np.floor(u[:, 0] * len(table)).astype(int)]
    applied = u[:, 1:3] <= chosen[..., 1]
    operation = np.where(applied, chosen[..., 0], CODES['Identity']).astype(int)
    level = chosen[..., 2] / 9
    sign = np.where(u[:, 3:5] <= 0.5, -1.0, 1.0)
    value = np.zeros_like(level)
    for name, magnitude in (
        ('ShearX', sign * 0.3 * level),
        ('ShearY', sign * 0.3 * level),
        ('TranslateX', sign * np.floor(150 / 331 * width * level)),
        ('TranslateY', sign * np.floor(150 / 331 * height * level)),
        ('Rotate', sign * 30 * level),
        ('Brightness', 1 + sign * 0.9 * level),
        ('Color', 1 + sign * 0.9 * level),
        ('Contrast', 1 + sign * 0.9 * level),
        ('Sharpness', 1 + sign * 0.9 * level),
        ('Posterize', 8 - np.rint(4 * level)),
        ('Solarize', 255 * (1 - level)),
    ):
        value = np.where(operation == CODES[name], magnitude, value)
    return operation, value


def rand_augment_operations(
    u: np.ndarray,
    num_ops: int,
    magnitude: float,
    magnitude_std: float,
    height: int,
    width: int,
    prob: float = 0.5,
    translate_pct: float = 0.45,
) -> Tuple[np.ndarray, np.ndarray]:
    """The operations of timm's ``rand-n<num_ops>-m<magnitude>-mstd<std>`` for each sample.

    Args:
        u (np.ndarray): Uniforms, shape (N, num_ops * RAND_AUGMENT_UNIFORMS).
        num_ops (int): Operations per sample.
        magnitude (float): Of 10.
        magnitude_std (float): Standard deviation of the magnitude.
        height (int): Of the images.
        width (int): Of the images.
        prob (float): Probability of each operation. Defaults to 0.5, as in timm.
        translate_pct (float): Largest shift as a share of the image. Defaults to 0.45.

    Returns:
        tuple: Operation codes and values, both of shape (N, num_ops).
    """
    u = u.reshape(len(u), num_ops, RAND_AUGMENT_UNIFORMS)
    codes = np.array([CODES[name] for name in RAND_AUGMENT])
    operation = codes[np.floor(u[..., 0] * len(codes)).astype(int)]
    operation = np.where(u[..., 1] <= prob, operation, CODES['Identity'])
    # Box and Muller (1958): a normal number from two uniform ones.
    normal = np.sqrt(-2 * np.log1p(-u[..., 2])) * np.cos(2 * np.pi * u[..., 3])
    level = np.clip(magnitude + magnitude_std * normal, 0, 10) / 10
    sign = np.where(u[..., 4] > 0.5, -1.0, 1.0)
    value = np.zeros_like(level)
    for name, of_level in (
        ('ShearX', sign * 0.3 * level),
        ('ShearY', sign * 0.3 * level),
        ('TranslateX', sign * translate_pct * width * level),
        ('TranslateY', sign * translate_pct * height * level),
        ('Rotate', sign * 30 * level),
        ('Brightness', 0.1 + 1.8 * level),
        ('Color', 0.1 + 1.8 * level),
        ('Contrast', 0.1 + 1.8 * level),
        ('Sharpness', 0.1 + 1.8 * level),
        ('Posterize', np.floor(4 * level)),
        ('Solarize', np.floor(256 * level)),
        ('SolarizeAdd', np.floor(110 * level)),
    ):
        value = np.where(operation == CODES[name], of_level, value)
    return operation, value


def affine_matrices(
    operation: np.ndarray, value: np.ndarray, height: int, width: int
) -> np.ndarray:
    """Where each output pixel comes from: ``(x, y)_in = A (x, y, 1)_out``, in pixel edges.

    Args:
        operation (np.ndarray): Codes, shape (N, ); all but ``GEOMETRIC`` ones are the identity.
        value (np.ndarray): Shear as a slope, shift in pixels, rotation in degrees, shape (N, ).
        height (int): Of the images.
        width (int): Of the images.

    Returns:
        np.ndarray: A, shape (N, 2, 3). Shears keep the upper left corner in place,
        counter-clockwise rotations the centre.
    """
    of = {
        name: np.where(operation == CODES[name], value, 0.0)
        for name in ('ShearX', 'ShearY', 'TranslateX', 'TranslateY', 'Rotate')
    }
    cos, sin = np.cos(np.deg2rad(of['Rotate'])), np.sin(np.deg2rad(of['Rotate']))
    matrix = np.zeros((len(operation), 2, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = cos
    matrix[:, 0, 1] = of['ShearX'] - sin
    matrix[:, 1, 0] = of['ShearY'] + sin
    centre_x, centre_y = width / 2, height / 2
    matrix[:, 0, 2] = centre_x - cos * centre_x + sin * centre_y - of['TranslateX']
    matrix[:, 1, 2] = centre_y - sin * centre_x - cos * centre_y - of['TranslateY']
    return matrix
