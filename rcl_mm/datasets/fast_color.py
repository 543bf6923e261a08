"""Colour and shape operations of one uint8 image by OpenCV, in place, with given parameters.

The parameters are those of ``augment_params`` and ``policy_params``; ``models.augment_ops`` has the
same operations for batches on a device. Where OpenCV rounds and PIL truncates, a result may differ
by one grey level.

All work happens in the image's own memory and one scratch image per thread: a fresh array of the
size of a view costs more time in page faults than most operations take.
"""

import math
from typing import Callable, List, Sequence, Tuple

import cv2
import numpy as np

from rcl_mm.augment import params, policies
from rcl_mm.datasets.fast_memory import scratch
from rcl_mm.errors import InputError

_SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13
_LEVELS = np.arange(256)


class FastColor:
    """The operations for one channel order.

    Args:
        channel_order (str): 'bgr' or 'rgb'.
        fill (Sequence[float]): RGB colour where a shift or rotation uncovers.

    Raises:
        InputError: If the channel order is unknown.
    """

    def __init__(self, channel_order: str, fill: Sequence[float]) -> None:
        if channel_order not in ('bgr', 'rgb'):
            raise InputError(f"channel_order is {channel_order!r}, allowed are 'bgr' and 'rgb'")
        bgr = channel_order == 'bgr'
        self.luma = params.LUMA[::-1] if bgr else params.LUMA
        self.fill = tuple(fill)[::-1] if bgr else tuple(fill)
        self.to_hsv = cv2.COLOR_BGR2HSV_FULL if bgr else cv2.COLOR_RGB2HSV_FULL
        self.from_hsv = cv2.COLOR_HSV2BGR_FULL if bgr else cv2.COLOR_HSV2RGB_FULL
        self.gray_matrix = np.tile(self.luma, (3, 1))
        self.weights = self.luma.tolist()

    def gray(self, image: np.ndarray) -> None:
        """Grey, in three equal channels."""
        cv2.transform(image, self.gray_matrix, dst=image)

    def brightness(self, image: np.ndarray, factor: float) -> None:
        """Black and the image, blended."""
        self._linear(image, factor, 0.0, 0.0)

    def contrast(self, image: np.ndarray, factor: float) -> None:
        """The mean grey and the image, blended."""
        self._linear(image, factor, 0.0, (1 - factor) * int(self._mean_gray(image) + 0.5))

    def saturation(self, image: np.ndarray, factor: float) -> None:
        """Grey and the image, blended."""
        self._linear(image, factor, 1 - factor, 0.0)

    def hue(self, image: np.ndarray, shift: float) -> None:
        """Turn the hue by a share of the circle, in 256 steps as PIL does."""
        hsv = cv2.cvtColor(image, self.to_hsv, dst=scratch('color', image.shape))
        # uint8 addition goes round the circle; whole rows at once, three times as fast as [..., 0].
        row = np.zeros(hsv.shape[1] * 3, np.uint8)
        row[::3] = int(shift * 255) & 0xFF
        rows = hsv.reshape(len(hsv), -1)
        np.add(rows, row, out=rows)
        cv2.cvtColor(hsv, self.from_hsv, dst=image)

    def jitter(self, image: np.ndarray, order: Sequence[int], factors: Sequence[float]) -> None:
        """Brightness, contrast, saturation and hue (0 to 3), in the order given.

        Each of the first three is ``a x + g gray(x) + c``, and so are several of them in a row. A
        factor of at most 1 blends two colours that exist, so that nothing can be cut off: such a
        step is done together with the step after it.
        """
        a, g, c = 1.0, 0.0, 0.0
        for step in order:
            factor = factors[step]
            if step == 0:
                a, g, c = factor * a, factor * g, factor * c
            elif step == 1:
                # The mean is that of the image after the steps before.
                mean = (a + g) * self._mean_gray(image) + c
                a, g, c = factor * a, factor * g, factor * c + (1 - factor) * int(mean + 0.5)
            elif step == 2:
                g += (1 - factor) * a
                a *= factor
            if factor > 1 or step == 3:
                self._linear(image, a, g, c)
                a, g, c = 1.0, 0.0, 0.0
            if step == 3:
                self.hue(image, factor)
        self._linear(image, a, g, c)

    def _mean_gray(self, image: np.ndarray) -> float:
        # Three times as fast as cv2.mean.
        sums = cv2.sumElems(image)
        x, y, z = self.weights
        return (x * sums[0] + y * sums[1] + z * sums[2]) / (image.shape[0] * image.shape[1])

    def _linear(self, image: np.ndarray, a: float, g: float, c: float) -> None:
        """``a x + g gray(x) + c``."""
        if a == 1.0 and g == 0.0 and c == 0.0:
            return
        if g == 0.0 and c >= 0.0:
            # Nothing below zero, of which this would take the absolute value.
            cv2.convertScaleAbs(image, dst=image, alpha=a, beta=c)
            return
        x, y, z = (g * weight for weight in self.weights)
        matrix = np.array(((a + x, y, z, c), (x, a + y, z, c), (x, y, a + z, c)))
        cv2.transform(image, matrix, dst=image)

    def apply(self, image: np.ndarray, name: str, value: float, cubic: bool = False) -> None:
        """An operation of AutoAugment or RandAugment, see ``policy_params.OPERATIONS``."""
        if name in policies.GEOMETRIC:
            self._affine(image, name, value, cubic)
        elif name == 'Invert':
            cv2.bitwise_not(image, dst=image)
        elif name == 'Posterize':
            np.bitwise_and(image, 256 - (1 << (8 - int(value))), out=image)
        elif name in policies.LEVELS:
            cv2.LUT(image, _level_table(name, value), dst=image)
        elif name == 'Brightness':
            self.brightness(image, value)
        elif name == 'Contrast':
            self.contrast(image, value)
        elif name == 'Color':
            self.saturation(image, value)
        elif name == 'Sharpness':
            _sharpness(image, value)
        elif name == 'AutoContrast':
            _per_channel(image, _stretch_table)
        elif name == 'Equalize':
            _per_channel(image, _equalize_table)

    def _affine(self, image: np.ndarray, name: str, value: float, cubic: bool) -> None:
        if name in ('TranslateX', 'TranslateY'):
            # The same as below, in a third of the time or less.
            turned = image if name == 'TranslateX' else image.transpose(1, 0, 2)
            _shift_columns(turned, value, cubic, self.fill)
            return
        height, width = image.shape[:2]
        code = np.array([policies.CODES[name]])
        matrix = policies.affine_matrices(code, np.array([value]), height, width)[0]
        # From pixel edges to OpenCV's pixel centres.
        matrix[:, 2] += 0.5 * matrix[:, :2].sum(1) - 0.5
        # OpenCV's bicubic filter is faster in float32, its bilinear one is not.
        source = scratch(f'warp {cubic}', image.shape, np.float32 if cubic else np.uint8)
        target = scratch('warped', image.shape, np.float32) if cubic else image
        np.copyto(source, image)
        cv2.warpAffine(
            source,
            matrix,
            (width, height),
            dst=target,
            flags=(cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=self.fill,
        )
        if cubic:
            np.copyto(image, np.clip(target, 0, 255, out=target), casting='unsafe')


def _level_table(name: str, value: float) -> np.ndarray:
    if name == 'Solarize':
        table = np.where(value <= _LEVELS, 255 - _LEVELS, _LEVELS)
    else:
        table = np.where(_LEVELS < 128, np.minimum(_LEVELS + int(value), 255), _LEVELS)
    return table.astype(np.uint8)


def _shift_columns(image: np.ndarray, pixels: float, cubic: bool, fill: Tuple[float, ...]) -> None:
    """Shift to the right by a fraction of a pixel or more, interpolated as by PIL."""
    # Column x comes from x - pixels = x + whole + part.
    whole = math.floor(-pixels)
    part = -pixels - whole
    weights = [1 - part, part]
    if cubic:
        # Keys (1981) with a = -1, as in PIL's transforms.
        weights = [
            part * (-1 + part * (2 - part)),
            1 + part * part * (part - 2),
            part * (1 + part * (1 - part)),
            part * part * (part - 1),
        ]
    width = image.shape[1]
    # Columns whose centre comes from inside the image, [first, last).
    first, last = math.ceil(pixels - 0.5), math.ceil(width - 0.5 + pixels)
    first, last = min(max(first, 0), width), min(max(last, 0), width)
    if first < last:
        # The first may come from half a pixel left of column 0: filter one column further left.
        left = int(first + whole < 0)
        blended = _filter_rows(image, weights, int(cubic) + left)
        start = first + whole + left
        image[:, first:last] = blended[:, start : start + last - first]
    image[:, :first] = fill
    image[:, last:] = fill


def _filter_rows(image: np.ndarray, weights: List[float], anchor: int) -> np.ndarray:
    """``sum_i weights[i] image[:, x + i - anchor]``; also of a transposed image."""
    kernel = np.array([weights], np.float32)
    transposed = image.strides[0] < image.strides[1]
    if transposed:
        image, kernel = image.transpose(1, 0, 2), kernel.T
    result = cv2.filter2D(
        image,
        -1,
        kernel,
        dst=scratch('color', image.shape),
        anchor=(0, anchor) if transposed else (anchor, 0),
        borderType=cv2.BORDER_REPLICATE,
    )
    return result.transpose(1, 0, 2) if transposed else result


def _sharpness(image: np.ndarray, factor: float) -> None:
    smooth = cv2.filter2D(image, -1, _SMOOTH, dst=scratch('color', image.shape))
    # The border pixels stay.
    inner = np.s_[1:-1, 1:-1]
    image[inner] = cv2.addWeighted(image[inner], factor, smooth[inner], 1 - factor, 0)


def _stretch_table(histograms: np.ndarray) -> np.ndarray:
    """AutoContrast: the used levels of each channel over the whole range."""
    used = histograms > 0
    low, high = used.argmax(1)[:, None], 255 - used[:, ::-1].argmax(1)[:, None]
    table = np.clip((_LEVELS - low) * (255 / np.maximum(high - low, 1)) + 1e-3, 0, 255)
    return np.where(low == high, _LEVELS, table)


def _equalize_table(histograms: np.ndarray) -> np.ndarray:
    """Equalize: about as many pixels of each channel on every level."""
    up_to = histograms.cumsum(1)
    # All pixels but those on the brightest level.
    step = up_to.max(1, initial=0, where=up_to < up_to[:, -1:], keepdims=True) // 255
    table = (up_to - histograms + step // 2) // np.maximum(step, 1)
    return np.where(step == 0, _LEVELS, np.minimum(table, 255))


def _per_channel(image: np.ndarray, make_table: Callable[[np.ndarray], np.ndarray]) -> None:
    """Levels by tables of the histograms, both of shape (3, 256)."""
    histograms = [cv2.calcHist([image], [c], None, [256], [0, 256]).ravel() for c in range(3)]
    table = make_table(np.array(histograms, np.int64)).astype(np.uint8)
    cv2.LUT(image, np.ascontiguousarray(table.T[:, None]), dst=image)
