"""Checking CIFAR-10 and CIFAR-100 in their original files."""

from pathlib import Path

import numpy as np
from mmpretrain.datasets import CIFAR10, CIFAR100
from mmpretrain.datasets.utils import check_md5

from rcl_mm.class_counts import count_labels
from rcl_mm.datasets.prepare.report import Report, Split

CIFAR_TOTALS = dict(train=50_000, test=10_000)
CIFAR_DATASETS = {'cifar10': CIFAR10, 'cifar100': CIFAR100}


def how_to_get(cls, root: Path) -> str:
    """Where CIFAR is and where it goes."""
    return (
        f'1. Get {cls.url}\n   (md5 {cls.tgz_md5}) and unpack it in {root}, so that there is\n'
        f'     {root / cls.base_folder / cls.train_list[0][0]}\n'
        f'   e.g. with: tar -xzf {cls.filename} -C {root}\n'
        '   (MMPretrain downloads it by itself where the machine has a network.)\n'
        f'2. Run this again; then give {root} as data_root.'
    )


def check_cifar(report: Report) -> None:
    """Check the files' checksums, then count the labels; findings go to ``report``."""
    cls = CIFAR_DATASETS[report.name]
    report.how_to_get = how_to_get(cls, report.root)
    report.classes = list(cls.METAINFO['classes'])
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
    for split, published in CIFAR_TOTALS.items():
        dataset = cls(data_root=str(report.root), split=split, download=False)
        counts = count_labels(np.asarray(dataset.get_gt_labels()), len(report.classes))
        report.splits[split] = Split(len(dataset), published, counts)
        if len(dataset) != published:
            report.add(
                'wrong numbers of images',
                f'{split} has {len(dataset):,} images, published are {published:,}',
            )
    report.class_counts = report.splits['train'].counts
