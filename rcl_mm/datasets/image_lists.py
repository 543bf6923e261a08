"""Annotation lists: one "relative/path label" per line."""

from pathlib import Path
from typing import List, Optional, Tuple, Union

import numpy as np
from mmengine.fileio import get

from rcl_mm.errors import InputError
from rcl_mm.text_files import decode_text, first_problem, parse_image_list

ImageList = Tuple[List[str], np.ndarray]


def scan_image_list(
    list_file: Union[str, Path],
    num_classes: Optional[int] = None,
    allow_outside_root: bool = False,
) -> Tuple[List[str], np.ndarray, List[str]]:
    """Read a list file and collect everything that is wrong with it.

    Args:
        list_file (str | Path): The list, UTF-8 or with a byte order mark.
        num_classes (int, optional): Number of classes C; labels must be below it.
        allow_outside_root (bool): Whether paths may be absolute or begin with "..".

    Returns:
        tuple: Paths, labels and problems, see :func:`parse_image_list`.

    Raises:
        InputError: If the file is no text that can be read.
    """
    text = decode_text(get(str(list_file)), list_file)
    return parse_image_list(text, list_file, num_classes, allow_outside_root)


def read_image_list(
    list_file: Union[str, Path],
    num_classes: Optional[int] = None,
    allow_outside_root: bool = False,
) -> ImageList:
    """Read a list file that must be free of errors, see :func:`scan_image_list`.

    Returns:
        tuple: Paths of the N images as written, and their labels (int64, shape (N, )).

    Raises:
        InputError: With file and line of the first bad entry and the number of bad entries; or if
            the list is empty.
    """
    paths, labels, problems = scan_image_list(list_file, num_classes, allow_outside_root)
    if problems:
        raise InputError(first_problem(problems))
    if not paths:
        raise InputError(f'{list_file} is empty: it needs one "relative/path label" per line')
    return paths, labels
