"""Checking CIFAR-10 and CIFAR-100: their original files, or a folder for each class."""

from pathlib import Path
from typing import List

import numpy as np
from mmpretrain.datasets import CIFAR10, CIFAR100
from mmpretrain.datasets.utils import check_md5

from rcl_mm.class_counts import count_labels
from rcl_mm.datasets.cifar_lt import CIFARLT, cifar_layout, wrong_classes
from rcl_mm.datasets.long_tailed import long_tailed_counts
from rcl_mm.datasets.prepare.folders import class_folders_of_cifar10_jpeg
from rcl_mm.datasets.prepare.images import check_images
from rcl_mm.datasets.prepare.report import Report, Split

CIFAR_DATASETS = {'cifar10': CIFAR10, 'cifar100': CIFAR100}


def how_to_get(cls, root: Path) -> str:
    """Where CIFAR is and where it goes."""
    return (
        f'1. Get {cls.url}\n   (md5 {cls.tgz_md5}) and unpack it in {root}, so that there is\n'
        f'     {root / cls.base_folder / cls.train_list[0][0]}\n'
        f'   e.g. with: tar -xzf {cls.filename} -C {root}\n'
        '   Or put the images there, lossless, in a folder for each class:\n'
        f'     {root}/train/{cls.METAINFO["classes"][0]}/*.png ...   {root}/test/<class>/*.png\n'
        '   (all of them, or training images that are long-tailed already).\n'
        f'2. Run this again; then give {root} as data_root.'
    )


def check_cifar(report: Report, decode: bool, workers: int, start_progress) -> None:
    """Check the files of the layout that is there, then the counts; findings go to ``report``."""
    cls = CIFAR_DATASETS[report.name]
    report.how_to_get = how_to_get(cls, report.root)
    report.classes = list(cls.METAINFO['classes'])
    if cifar_layout(cls, str(report.root)) == 'folders':
        _check_class_folders(report, cls, decode, workers, start_progress)
    else:
        _check_archive(report, cls)
    if 'train' in report.splits:
        report.class_counts = report.splits['train'].counts


def _check_archive(report: Report, cls) -> None:
    """The original files: checksums, then labels."""
    folder = report.root / cls.base_folder
    for name, md5 in [*cls.train_list, *cls.test_list]:
        path = folder / name
        if not path.is_file():
            report.add('files that do not exist', str(path))
        elif not check_md5(str(path), md5):
            # Not read: a pickle that is not the published file could do anything.
            report.add('files with a wrong checksum', f'{path}: md5 is not {md5}')
    archive = report.root / cls.filename
    if not report.ok and archive.is_file() and not folder.is_dir():
        report.notes.append(f'{archive} is there, but not unpacked')
    if not report.ok:
        return
    report.notes.append(f'Layout: the original files in {folder}')
    for split, published in CIFARLT.TOTALS.items():
        dataset = cls(data_root=str(report.root), split=split, download=False)
        counts = count_labels(np.asarray(dataset.get_gt_labels()), len(report.classes))
        report.splits[split] = Split(len(dataset), published, counts)
        if len(dataset) != published:
            report.add(
                'wrong numbers of images',
                f'{split} has {len(dataset):,} images, published are {published:,}',
            )


def _check_class_folders(report: Report, cls, decode: bool, workers: int, start_progress) -> None:
    """A folder for each class: names, numbers, images."""
    files: List[Path] = []
    for split, published in CIFARLT.TOTALS.items():
        folder = report.root / split
        found = class_folders_of_cifar10_jpeg(folder)
        wrong = wrong_classes(cls, found)
        if wrong is not None:
            report.add('wrong class folders', f'{folder} has {wrong}')
            continue
        counts = np.array([len(images) for images in found.values()])
        report.splits[split] = Split(int(counts.sum()), published, counts)
        files += [path for images in found.values() for path in images]
        _check_counts(report, split, published // len(counts))
    with start_progress(f'{"reading" if decode else "looking for"} images', len(files)) as advance:
        check_images(report, files, decode, advance, workers)


def _check_counts(report: Report, split: str, each: int) -> None:
    """All images, or training images that are an exponential or a step-shaped tail already."""
    counts = report.splits[split].counts
    where = f'Layout: {report.root / split}/<class>/'
    if (counts == each).all():
        report.notes.append(f'{where}, the whole set: {each:,} images of each class')
        return
    if split == 'train' and counts.min() > 0:
        factor = counts[0] / counts[-1]
        for kind in ('exp', 'step'):
            # The last class is cut to a whole number: the factor may be a little smaller.
            for own in (factor, round(factor)):
                if (counts == long_tailed_counts(len(counts), counts[0], own, kind)).all():
                    report.notes.append(
                        f'{where}, a long tail already: {counts.sum():,} images, {counts[0]:,} ... '
                        f'{counts[-1]:,}, imbalance_type={kind!r}, imbalance factor {own:g}. Own '
                        'subset: not the images of published figures'
                    )
                    return
    report.add(
        'wrong numbers of images',
        f'{report.root / split} has {counts.tolist()} of its classes: expected are {each:,} of each'
        + (', or an exponential or step-shaped tail' if split == 'train' else ''),
    )
