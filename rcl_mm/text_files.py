"""Text that users bring and names of any bytes: read or refused in one place, never lost.

Free of frameworks, because class counts are read by code that has none.
"""

import codecs
import posixpath
from typing import Dict, List, Optional, Tuple

import numpy as np

from rcl_mm.errors import InputError

# Byte order marks; UTF-32's begins like UTF-16's, so it comes first.
MARKS = {
    codecs.BOM_UTF8: 'utf-8-sig',
    codecs.BOM_UTF32_LE: 'utf-32',
    codecs.BOM_UTF32_BE: 'utf-32',
    codecs.BOM_UTF16_LE: 'utf-16',
    codecs.BOM_UTF16_BE: 'utf-16',
}
# For files and the screen: a name that is not UTF-8 is written as "caf\\udce9".
ANY_NAME = 'backslashreplace'


def printable(name: object) -> str:
    """A name as it can be written anywhere; bytes that are not UTF-8 become escapes."""
    return str(name).encode('utf-8', ANY_NAME).decode('utf-8')


def decode_text(content: bytes, name: object) -> str:
    """The text of a file: UTF-8, or what its byte order mark says.

    Args:
        content (bytes): The file's.
        name: What to call it in an error.

    Raises:
        InputError: If it is in another encoding, with the first byte that says so.
    """
    encoding = next((one for mark, one in MARKS.items() if content.startswith(mark)), 'utf-8')
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f'{printable(name)} is no {encoding.upper()} text ({error.reason} at '
            f'byte {error.start}): save it as UTF-8, for example by "iconv -f GBK -t UTF-8", if it '
            'is a list at all'
        ) from None


def parse_image_list(
    text: str,
    name: object,
    num_classes: Optional[int] = None,
    allow_outside_root: bool = False,
    allow_repeats: bool = False,
) -> Tuple[List[str], np.ndarray, List[str]]:
    """Paths and labels of a list with one "relative/path label" a line, and all that is wrong.

    Windows line ends and blank lines are tolerated; a path may hold spaces. Whether a path leaves
    the data root is judged by its text; symbolic links are not followed.

    Args:
        text (str): The list.
        name: What to call it in problems.
        num_classes (int, optional): Number of classes C; labels must be below it.
        allow_outside_root (bool): Whether paths may be absolute or begin with "..".
        allow_repeats (bool): Whether an image may be there twice.

    Returns:
        tuple: Paths of the N good entries as written, their labels (int64, shape (N, )), and one
        "name, line n: what is wrong" for each bad entry.
    """
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
            if problem is None and clean in first_seen and not allow_repeats:
                problem = f'"{path}" is there already, in line {first_seen[clean]}'
        if problem is not None:
            problems.append(f'{printable(name)}, line {number}: {problem}')
            continue
        first_seen[clean] = number
        paths.append(path)
        labels.append(int(label))
    return paths, np.asarray(labels, dtype=np.int64), problems


def first_problem(problems: List[str]) -> str:
    """The first of several problems, and how many more there are."""
    more = f' (and {len(problems) - 1} more bad lines)' if len(problems) > 1 else ''
    return problems[0] + more


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
