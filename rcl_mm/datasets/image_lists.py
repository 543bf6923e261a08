"""Annotation lists: one "relative/path label" per line."""

import posixpath
from pathlib import Path
from typing import Dict, List, Optional, Tuple, Union

import numpy as np
from mmengine.fileio import get_text

from rcl_mm.errors import InputError

ImageList = Tuple[List[str], np.ndarray]


def _line_problem(
    path: str, label: str, num_classes: Optional[int], allow_outside_root: bool
) -> Optional[str]:
    """What is wrong with one entry, None if nothing is."""
    # Nine digits are more classes than anyone has, and no number that Python or numpy minds.
    if not label.isascii() or not label.isdigit() or len(label) > 9:
        return f'"{path[-60:]} {label[:20]}" is not "relative/path label"'
    if num_classes is not None and int(label) >= num_classes:
        return f'label {label} of "{path}" is out of range, allowed is 0..{num_classes - 1}'
    if not allow_outside_root and (posixpath.isabs(path) or path.split('/', 1)[0] == '..'):
        return (
            f'"{path}" leaves the data root: give paths inside it, or set '
            'allow_outside_root=True if you trust the list'
        )
    return None


def scan_image_list(
    list_file: Union[str, Path],
    num_classes: Optional[int] = None,
    allow_outside_root: bool = False,
) -> Tuple[List[str], np.ndarray, List[str]]:
    """Read a list file and collect everything that is wrong with it.

    A byte order mark, Windows line ends and blank lines are tolerated; a path may hold spaces.
    Whether a path leaves the data root is judged by its text; symbolic links are not followed.

    Args:
        list_file (str | Path): The list, UTF-8.
        num_classes (int, optional): Number of classes C; labels must be below it.
        allow_outside_root (bool): Whether paths may be absolute or begin with "..".

    Returns:
        tuple: Paths of the N good entries as written, their labels (int64, shape (N, )), and one
        "file, line n: what is wrong" for each bad entry.

    Raises:
        InputError: If the file is not UTF-8 text.
    """
    try:
        text = get_text(str(list_file), encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise InputError(
            f'{list_file} is no UTF-8 text ({error.reason}): is it a list file?'
        ) from None
    paths: List[str] = []
    labels: List[int] = []
    problems: List[str] = []
    first_seen: Dict[str, int] = {}
    for number, line in enumerate(text.split('\n'), 1):
        line = line.strip()
        if not line:
            continue
        fields = line.rsplit(maxsplit=1)
        if len(fields) != 2 or '\0' in line:
            shown = line[:60].replace('\0', '\\0')
            problem = f'"{shown}" is not "relative/path label"'
        else:
            path, label = fields
            clean = posixpath.normpath(path)
            problem = _line_problem(clean, label, num_classes, allow_outside_root)
            if problem is None and clean in first_seen:
                problem = f'"{path}" is there already, in line {first_seen[clean]}'
        if problem is not None:
            problems.append(f'{list_file}, line {number}: {problem}')
            continue
        first_seen[clean] = number
        paths.append(path)
        labels.append(int(label))
    return paths, np.asarray(labels, dtype=np.int64), problems


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
        more = f' (and {len(problems) - 1} more bad lines)' if len(problems) > 1 else ''
        raise InputError(problems[0] + more)
    if not paths:
        raise InputError(f'{list_file} is empty: it needs one "relative/path label" per line')
    return paths, labels
