"""Operations of AutoAugment and RandAugment for a whole batch at once, from uniform numbers.

Like :mod:`rcl_mm.augment.params`: pure functions from uniforms in [0, 1) to operation
codes and values, with the distributions of torchvision and timm.
"""

from typing import Sequence, Tuple

import numpy as np
import torchvision.transforms as T

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
        ``augment.ops``), both of shape (N, 2).
    """
    pairs = T.AutoAugment(T.AutoAugmentPolicy(policy)).policies
    table = np.array(
        [[(CODES[o], p, -1 if m is None else m) for o, p, m in pair] for pair in pairs]
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
