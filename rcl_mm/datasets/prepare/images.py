"""Checking image files: are they there, and can they be decoded to the end?"""

import os
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import islice
from pathlib import Path
from typing import Callable, Iterable, List, Optional, Sequence, Tuple

from PIL import Image, UnidentifiedImageError

from rcl_mm.datasets.loading import UnreadableImageError, read_image
from rcl_mm.datasets.prepare.report import Report

# Called with the number of files checked since the last call.
Advance = Callable[[int], None]

_CHUNK = 128


def image_problem(path: Path) -> Optional[str]:
    """Why an image can't be decoded, None if it can.

    Reads it as training does, and with Pillow where that knows the format, because OpenCV passes
    some damaged files off as whole.
    """
    try:
        read_image(path)
        with Image.open(path) as image:
            image.convert('RGB')
    except UnreadableImageError as error:
        return str(error)
    except UnidentifiedImageError:
        # A format that only OpenCV knows.
        return None
    except Image.DecompressionBombError:
        return f'{path}: too many pixels to be an image of this set'
    except Exception as error:  # noqa: BLE001 - Pillow's plugins raise anything on damaged files
        reason = str(error).replace(str(path), '').strip(' \'"') or 'damaged'
        return f'{path}: {type(error).__name__}: {reason}'
    return None


def _check_chunk(paths: Sequence[Path], decode: bool) -> Tuple[List[str], List[str], int]:
    missing, unreadable = [], []
    for path in paths:
        if not os.path.isfile(path):
            missing.append(str(path))
        elif os.path.getsize(path) == 0:
            unreadable.append(f'{path}: empty file')
        elif decode:
            problem = image_problem(path)
            if problem is not None:
                unreadable.append(problem)
    return missing, unreadable, len(paths)


def check_images(
    report: Report, paths: Iterable[Path], decode: bool, advance: Advance, workers: int
) -> None:
    """Note in ``report`` which files are missing or can't be decoded.

    Decoding leaves Python's lock, so threads are enough. At most a few chunks of paths are under
    way at a time: the memory does not grow with the data set.
    """
    paths = iter(paths)
    chunks = iter(lambda: list(islice(paths, _CHUNK)), [])
    found = []
    with ThreadPoolExecutor(max_workers=workers) as pool:
        pending = {
            pool.submit(_check_chunk, chunk, decode): number
            for number, chunk in enumerate(islice(chunks, 4 * workers))
        }
        number = len(pending)
        while pending:
            for task in wait(pending, return_when=FIRST_COMPLETED).done:
                missing, unreadable, checked = task.result()
                found.append((pending.pop(task), missing, unreadable))
                advance(checked)
                chunk = next(chunks, None)
                if chunk is not None:
                    pending[pool.submit(_check_chunk, chunk, decode)] = number
                    number += 1
    # In the order of the list, whichever thread was first.
    for _, missing, unreadable in sorted(found):
        report.add('files that do not exist', *missing)
        report.add('images that can not be read', *unreadable)
