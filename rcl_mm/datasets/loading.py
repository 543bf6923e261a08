"""Reading images so that a bad file is never silent: named, and refused or skipped and counted."""

import io
import logging
import os
from pathlib import Path
from typing import Any, Optional, Union

import cv2
import mmcv
import numpy as np
import torch
from mmcv.transforms import LoadImageFromFile
from mmengine import fileio
from mmengine.logging import print_log
from mmengine.registry import TRANSFORMS
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import get_worker_info

from rcl_mm.errors import InputError

# Pillow's own limit, above which it suspects a decompression bomb.
MAX_PIXELS = 178_956_970
# The share of skipped images is taken of at least so many.
MIN_IMAGES = 1000
PROCESSES = 256


class UnreadableImageError(InputError):
    """An image file that is missing, empty, cut short, too large, or no image."""


def read_image(
    path: Union[str, Path],
    color_type: str = 'color',
    backend: str = 'cv2',
    backend_args: Optional[dict] = None,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Read an image file, or say what is wrong with it.

    OpenCV 4 gives a half-grey image for a JPEG that is cut short, OpenCV 5 nothing, and both a
    message without a path for an empty file. Grey, CMYK, palette and 16-bit images come out as
    8-bit colour like all others.

    Args:
        path (str | Path): The file, also of a remote storage.
        color_type (str): As in ``LoadImageFromFile``. Defaults to 'color': (H, W, 3), BGR.
        backend (str): Decoder, as in ``mmcv.imfrombytes``. Defaults to 'cv2'.
        backend_args (dict, optional): Arguments of the storage. Defaults to None.
        max_pixels (int): Largest size. Defaults to Pillow's limit.

    Returns:
        np.ndarray: The image, uint8.

    Raises:
        UnreadableImageError: With the path and the reason.
    """
    try:
        content = fileio.get(path, backend_args=backend_args)
    except OSError as error:
        raise UnreadableImageError(f'{path}: {error.strerror or error}') from error
    problem = find_problem(content, max_pixels)
    if problem is not None:
        raise UnreadableImageError(f'{path}: {problem}')
    try:
        image = mmcv.imfrombytes(content, flag=color_type, backend=backend)
    except (cv2.error, OSError, ValueError, SyntaxError) as error:
        raise UnreadableImageError(f'{path}: no image that can be decoded ({error})') from error
    if image is None:
        raise UnreadableImageError(f'{path}: no image that can be decoded')
    return image


def find_problem(content: bytes, max_pixels: int = MAX_PIXELS) -> Optional[str]:
    """What is wrong with the contents of an image file, as far as its ends and its header tell."""
    if not content:
        return 'the file is empty'
    is_png = content.startswith(b'\x89PNG')
    # A file of a few bytes can hold any number of pixels.
    size = _size(content)
    if size is not None and size[0] * size[1] > max_pixels:
        return f'{size[0]} x {size[1]} pixels, allowed are {max_pixels:,} in all'
    tail = content[-64:]
    if content.startswith(b'\xff\xd8'):
        ends_well = b'\xff\xd9' in tail
    elif is_png:
        ends_well = b'IEND' in tail
    elif content.startswith(b'RIFF') and content[8:12] == b'WEBP':
        ends_well = len(content) >= int.from_bytes(content[4:8], 'little') + 8
    else:
        ends_well = False
    return None if ends_well else _problem_of_decoding(content)


def _size(content: bytes) -> Optional[tuple]:
    """Width and height by the header, without decoding."""
    if content.startswith(b'\x89PNG'):
        return int.from_bytes(content[16:20], 'big'), int.from_bytes(content[20:24], 'big')
    if content.startswith(b'\xff\xd8'):
        size = _jpeg_size(content)
        if size is not None:
            return size
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(io.BytesIO(content)) as image:
            return image.size
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return None
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _jpeg_size(content: bytes) -> Optional[tuple]:
    """Width and height of a JPEG by its first frame header: a tenth of Pillow's time for it."""
    position = 2
    while position + 9 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker == 0xFF:  # filling
            position += 1
            continue
        # SOF0 to SOF15, without the three markers between them that are something else.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            sides = content[position + 5 : position + 9]
            return int.from_bytes(sides[2:], 'big'), int.from_bytes(sides[:2], 'big')
        position += 2 + int.from_bytes(content[position + 2 : position + 4], 'big')
    return None


def _problem_of_decoding(content: bytes) -> Optional[str]:
    """Let Pillow decode, which reports missing data: for files whose end is not as it should be."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
    except UnidentifiedImageError:
        # Perhaps a format that only OpenCV knows.
        return None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return f'cut short or corrupt ({error})'
    return None


class SkipCounter:
    """Counts images and skipped images over all processes of a data loader.

    Each process writes in a row of its own of a tensor in shared memory.

    Args:
        max_share (float): Largest share of skipped images, of all or of the first 1,000.

    Raises:
        InputError: If it is not in 0..1.
    """

    def __init__(self, max_share: float = 0.01) -> None:
        if not 0 <= max_share <= 1:
            raise InputError(f'max_skipped_share is {max_share}, allowed is 0..1')
        self.max_share = max_share
        self._counts: Tensor = torch.zeros(PROCESSES, 2, dtype=torch.int64).share_memory_()

    @property
    def total(self) -> int:
        """Images asked for."""
        return int(self._counts[:, 0].sum())

    @property
    def skipped(self) -> int:
        """Images that could not be read."""
        return int(self._counts[:, 1].sum())

    def count(self, skipped: bool) -> None:
        """Count one image."""
        worker = get_worker_info()
        row = 0 if worker is None else 1 + worker.id % (PROCESSES - 1)
        # By numpy: torch takes ten times as long to add one.
        self._counts.numpy()[row] += (1, skipped)

    @property
    def exceeded(self) -> bool:
        """Whether too many were skipped."""
        return self.skipped > self.max_share * max(self.total, MIN_IMAGES)


@TRANSFORMS.register_module()
class LoadCheckedImage(LoadImageFromFile):
    """``LoadImageFromFile`` that never passes over a bad file in silence, see :func:`read_image`.

    ``tools/train.py`` and ``tools/test.py`` put it in the place of ``LoadImageFromFile`` by
    themselves (:class:`ImageCheckHook`), so that configs need not name it.

    **Required Keys:** img_path. **Added Keys:** img, img_shape, ori_shape

    Args:
        on_error (str): 'raise', or 'skip': the data set takes another image (which one follows
            from the draw, in the data sets of this package); each file is named in the log once.
            Only for training: a test result would be one of other images. Defaults to 'raise'.
        max_skipped_share (float): Largest share of images that may be skipped. Defaults to 0.01.
        max_pixels (int): Largest size of an image. Defaults to Pillow's limit.
        **kwargs: Arguments of ``LoadImageFromFile``.

    Raises:
        InputError: If ``on_error`` is unknown or the share is not in 0..1.
    """

    def __init__(
        self,
        on_error: str = 'raise',
        max_skipped_share: float = 0.01,
        max_pixels: int = MAX_PIXELS,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if on_error not in ('raise', 'skip'):
            raise InputError(f"on_error is {on_error!r}, allowed are 'raise' and 'skip'")
        self.on_error = on_error
        self.max_pixels = max_pixels
        self.counter = SkipCounter(max_skipped_share)
        self._named: set = set()

    def transform(self, results: dict) -> Optional[dict]:
        """Read the image; None if it is skipped.

        Raises:
            UnreadableImageError: If it can't be read, or too many could not.
        """
        path = results['img_path']
        try:
            image = read_image(
                path, self.color_type, self.imdecode_backend, self.backend_args, self.max_pixels
            )
        except UnreadableImageError as error:
            if self.on_error == 'raise':
                raise
            self._skip(error)
            return None
        self.counter.count(skipped=False)
        results['img'] = image.astype(np.float32) if self.to_float32 else image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results

    def _skip(self, error: UnreadableImageError) -> None:
        counter = self.counter
        counter.count(skipped=True)
        so_far = f'{counter.skipped:,} of {counter.total:,} images so far'
        if counter.exceeded:
            raise UnreadableImageError(
                f'{so_far} could not be read, more than the allowed share of {counter.max_share:g};'
                f' the last one: {error}'
            ) from error
        if str(error) not in self._named:
            self._named.add(str(error))
            print_log(
                f'skipped {error} ({so_far}, process {os.getpid()})', 'current', logging.WARNING
            )
