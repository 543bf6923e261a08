"""Reading folders of images: the one place that says what is an image, a class and a split."""

import os
import os.path as osp
import re
from collections import Counter
from functools import cache
from typing import Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

import cv2
from PIL import Image

from rcl_mm.errors import InputError

SPLITS = ('train', 'val', 'test')
# Other names of the split folders, in lower case, without an ending such as "_set".
SPLIT_NAMES = {
    'train': 'train',
    'training': 'train',
    **dict.fromkeys(('val', 'valid', 'validation', 'dev'), 'val'),
    **dict.fromkeys(('test', 'testing'), 'test'),
}
SPLIT_ENDING = r'[ _-]?(set|data|images|imgs|split)$'
# Made by Synology, QNAP, macOS, Python, Windows and file systems. Names with a dot are hidden.
SYSTEM_FOLDERS = {
    *('@eadir', '@recycle', '@recently-snapshot', '@tmp', '#recycle', '#snapshot', '__macosx'),
    *('__pycache__', '$recycle.bin', 'system volume information', 'lost+found'),
}
READ_ELSEWHERE = 'a link to what is read in its own place'
LAYOUT = 'needed are images in data_root/train/<class>/ or data_root/<class>/'


@cache
def image_extensions() -> Tuple[str, ...]:
    """Endings, by Pillow's list, of the formats that OpenCV, which training reads with, knows."""
    by_format: Dict[str, List[str]] = {}
    for extension, name in Image.registered_extensions().items():
        by_format.setdefault(name, []).append(extension)
    known = {
        extension
        for extensions in by_format.values()
        if any(cv2.haveImageWriter(f'image{one}') for one in extensions)
        for extension in extensions
    }
    # Numbers that are no colours (disparities, say), and bitmaps without a file header.
    return tuple(sorted(known - {'.pfm', '.dib'}))


class PassedOver:
    """What was not read in a folder, and why.

    Args:
        folder (str): The folder that paths are shown relative to.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.suffixes: Counter = Counter()
        self.places: List[str] = []

    def add_file(self, path: str) -> None:
        """A file that is no image by its ending."""
        self.suffixes[osp.splitext(path)[1].lower() or 'no ending'] += 1

    def add(self, path: str, reason: str) -> None:
        """A folder or a link."""
        self.places.append(f'{osp.relpath(path, self.folder)} ({reason})')

    def __str__(self) -> str:
        """One line; '' if there is nothing to say."""
        parts = []
        if self.suffixes:
            kinds = ', '.join(f'{number} {kind}' for kind, number in self.suffixes.most_common(6))
            parts.append(f'files that are no images to OpenCV here ({kinds})')
        parts += self.places[:5]
        if len(self.places) > 5:
            parts.append(f'{len(self.places) - 5} more')
        return f'passed over in "{self.folder}": {"; ".join(parts)}' if parts else ''


class ImageFolders(NamedTuple):
    """Where the images of each split are.

    Attributes:
        splits (dict[str, str]): Folders of class folders: 'train', and 'val' and 'test' if they
            have folders of their own.
        classes (list[str]): Sorted names of the training images' class folders.
        passed_over (PassedOver): Folders beside them that are not read.
    """

    splits: Dict[str, str]
    classes: List[str]
    passed_over: PassedOver


def find_image_folders(data_root: str, split_folders: Optional[bool] = None) -> ImageFolders:
    """Tell split folders and class folders apart.

    Args:
        data_root (str): The folder.
        split_folders (bool, optional): True: it has train/ and perhaps val/ and test/; False: all
            its folders are classes, also one of the name train. Defaults to None: folders of such
            names are splits if they hold folders, and a second split has classes of the same names
            or no other folder beside them is one of images.

    Raises:
        FileNotFoundError: If there is no such folder, or no training images in it.
        InputError: If it has less than two class folders, two folders for one split, or can be
            read in two ways.
    """
    if not data_root or not osp.isdir(data_root):
        raise FileNotFoundError(f'data_root "{data_root}" is no folder: {LAYOUT}')
    passed_over = PassedOver(data_root)
    folders = class_names(data_root, passed_over)
    by_split: Dict[str, List[str]] = {}
    for name in folders:
        split = SPLIT_NAMES.get(re.sub(SPLIT_ENDING, '', name.lower()))
        if split is not None:
            by_split.setdefault(split, []).append(name)
    if split_folders is None:
        split_folders = _are_splits(data_root, folders, by_split)
    if not split_folders:
        return ImageFolders({'train': data_root}, _at_least_two(data_root, folders), passed_over)
    for split, names in by_split.items():
        if len(names) > 1:
            raise InputError(
                f'data_root "{data_root}" has {len(names)} folders for {split}, '
                f'{" and ".join(names)}: keep one of them'
            )
    if 'train' not in by_split:
        there = ' and '.join(name for names in by_split.values() for name in names)
        raise FileNotFoundError(
            f'data_root "{data_root}" has {there or "no split folder"} but no train: {LAYOUT}; '
            'or split_folders=False if that is a class'
        )
    test = by_split.get('test', ['test'])[0]
    if 'val' not in by_split and test.lower() != 'test':
        raise InputError(
            f'data_root "{data_root}" has {test} but no val: call it val if it is for validation, '
            'or test if a fifth of the training images is to be held out for that'
        )
    splits = {
        split: osp.join(data_root, by_split[split][0]) for split in SPLITS if split in by_split
    }
    for name in sorted(set(folders) - {osp.basename(path) for path in splits.values()}):
        passed_over.add(osp.join(data_root, name), 'beside the split folders')
    classes = class_names(splits['train'], passed_over)
    return ImageFolders(splits, _at_least_two(splits['train'], classes), passed_over)


def _at_least_two(folder: str, names: List[str]) -> List[str]:
    if len(names) < 2:
        raise InputError(
            f'"{folder}" has {len(names)} class folder(s), at least 2 are needed: {LAYOUT}'
        )
    return names


def _are_splits(root: str, folders: List[str], by_split: Dict[str, List[str]]) -> bool:
    """Whether folders with the names of splits are splits, and not classes of such names."""
    named = [name for names in by_split.values() for name in names]
    others = [one for one in folders if one not in named and _has_image(osp.join(root, one))]
    if not named or not others:
        return bool(named)
    inside = {name: set(class_names(osp.join(root, name))) for name in named}
    with_classes = [name for name in named if inside[name]]
    if not with_classes or 'train' not in by_split:
        return bool(with_classes)
    train = by_split['train'][0]
    if any(inside[train] & inside[name] for name in named if name != train):
        return True
    if len(others) > 1:
        return False
    raise InputError(
        f'"{osp.join(root, with_classes[0])}" may be a split or a class, for '
        f'"{osp.join(root, others[0])}" beside it has images too: give the data set '
        'split_folders=True or split_folders=False, or move one of them away'
    )


def _has_image(folder: str) -> bool:
    """Whether there is an image right in a folder, as in a class folder."""
    with os.scandir(folder) as entries:
        return any(
            one.is_file() and one.name[0] != '.' and one.name.lower().endswith(image_extensions())
            for one in entries
        )


def class_names(folder: str, passed_over: Optional[PassedOver] = None) -> List[str]:
    """Sorted names of a folder's folders, without those that systems make and links to others."""
    names = []
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda one: one.name):
            if entry.is_dir():
                reason = _why_not(entry, osp.realpath(folder), set())
                if reason is None:
                    names.append(entry.name)
                elif passed_over is not None:
                    passed_over.add(entry.path, reason)
    return names


def images_below(
    folder: str, passed_over: Optional[PassedOver] = None, within: Optional[str] = None
) -> List[str]:
    """Sorted paths of the images in a folder and in its folders, relative to it.

    Hidden files and what systems make are no images; each folder and each image is read once,
    however many links lead to it.

    Args:
        folder (str): The folder.
        passed_over (PassedOver, optional): Takes what is not read.
        within (str, optional): Links to anything in this folder are passed over: of a class, the
            folder with all classes. Defaults to ``folder``.
    """
    return sorted(_walk(folder, passed_over or PassedOver(folder), within or folder))


def _walk(folder: str, passed_over: PassedOver, within: str) -> Iterator[str]:
    boundary = osp.realpath(within)
    seen: Set[str] = set()
    waiting, links = [folder], []
    while waiting or links:
        # Links last: what is there by its own path is found by it.
        place = waiting.pop() if waiting else links.pop(0)
        if osp.realpath(place) in seen:
            passed_over.add(place, READ_ELSEWHERE)
            continue
        seen.add(osp.realpath(place))
        with os.scandir(place) as entries:
            for entry in sorted(entries, key=lambda one: one.name):
                reason = _why_not(entry, boundary, seen)
                if entry.is_dir():
                    if reason is not None:
                        passed_over.add(entry.path, reason)
                    else:
                        (links if entry.is_symlink() else waiting).append(entry.path)
                elif entry.name.startswith('.'):
                    continue
                elif not entry.name.lower().endswith(image_extensions()):
                    passed_over.add_file(entry.name)
                elif reason is not None:
                    passed_over.add(entry.path, reason)
                else:
                    if entry.is_symlink():
                        seen.add(osp.realpath(entry.path))
                    yield osp.relpath(entry.path, folder)


def _why_not(entry: os.DirEntry, boundary: str, seen: Set[str]) -> Optional[str]:
    """Why a folder or an image is not read, None if it is."""
    if entry.name.startswith('.') or entry.name.lower() in SYSTEM_FOLDERS:
        return 'hidden, or made by a system'
    if not entry.is_symlink():
        return None
    real = osp.realpath(entry.path)
    inside = real.startswith(boundary + os.sep) and osp.exists(real)
    around = f'{boundary}{os.sep}'.startswith(real.rstrip(os.sep) + os.sep)
    return READ_ELSEWHERE if inside or around or real in seen else None
