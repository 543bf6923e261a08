"""CIFAR-10-LT and CIFAR-100-LT, from the original files or from folders of images."""

import os.path as osp
import re
from typing import Any, Optional, Type

import numpy as np
from mmengine.logging import MMLogger
from mmengine.registry import DATASETS
from mmpretrain.datasets import CIFAR10, CIFAR100, CustomDataset

from rcl_mm.class_counts import count_labels, dataset_labels
from rcl_mm.datasets.long_tailed import LongTailedDataset, long_tailed_counts
from rcl_mm.errors import InputError

SPLITS = ('train', 'test')
READERS = {10: CIFAR10, 100: CIFAR100}


def cifar_layout(reader: Type[CIFAR10], data_root: str) -> Optional[str]:
    """How CIFAR lies in a folder: 'archive', 'folders' (``{train,test}/<class>/``) or None."""
    if osp.isdir(osp.join(data_root, reader.base_folder)):
        return 'archive'
    if all(osp.isdir(osp.join(data_root, split)) for split in SPLITS):
        return 'folders'
    return None


def wrong_classes(reader: Type[CIFAR10], found: Any) -> Optional[str]:
    """What is wrong with the names of class folders, which may have other separators and case."""
    names = [re.sub(r'[\W_]+', '_', name).lower() for name in found]
    classes = list(reader.METAINFO['classes'])
    if names == classes:
        return None
    missing = [name for name in classes if name not in names]
    others = [name for name in found if re.sub(r'[\W_]+', '_', name).lower() not in classes]
    return (
        f'{len(names)} class folders, without {missing[:3]} and with {others[:3]}, expected are '
        f'the {len(classes)} classes of {reader.__name__} ({classes[0]} ... {classes[-1]})'
    )


@DATASETS.register_module()
class CIFARLT(LongTailedDataset):
    """CIFAR-10-LT or CIFAR-100-LT, whatever the layout of the files.

    ::

        data_root/cifar-10-batches-py/ (or cifar-100-python/)     the original files, unpacked
        data_root/{train,test}/<class>/*.png                      a folder for each class

    The whole training set (50,000 images) is cut as :class:`LongTailedDataset` cuts it. Folders may
    also hold the long tail itself: images in the numbers that the arguments ask for are taken as
    they are, a subset of their own.

    Args:
        data_root (str): The folder.
        num_classes (int): 10 or 100. Defaults to 10.
        split (str): 'train' or 'test'; the test images are all taken. Defaults to 'train'.
        imbalance_type, imbalance_factor, **kwargs: Of :class:`LongTailedDataset`.

    Raises:
        FileNotFoundError: If ``data_root`` has neither layout.
        InputError: If the classes or the numbers of images are not those of the set.

    Example:
        >>> train = dict(type='CIFARLT', data_root='data/cifar100', num_classes=100)
    """

    TOTALS = dict(train=50_000, test=10_000)

    def __init__(
        self,
        data_root: str,
        num_classes: int = 10,
        split: str = 'train',
        imbalance_type: str = 'exp',
        imbalance_factor: Optional[float] = 100,
        **kwargs: Any,
    ) -> None:
        if num_classes not in READERS or split not in SPLITS:
            raise InputError(
                f'num_classes={num_classes}, split={split!r}: allowed are 10 or 100, and '
                f'{" or ".join(SPLITS)}'
            )
        reader = READERS[num_classes]
        name = f'cifar{num_classes}'
        layout = cifar_layout(reader, data_root)
        if layout is None:
            raise FileNotFoundError(
                f'data_root "{data_root}" has no {reader.__name__}: needed is '
                f'{reader.base_folder}/ or train/<class>/*.png and test/<class>/*.png in it; see '
                f'python tools/prepare_data.py {name} {data_root}'
            )
        if layout == 'archive':
            dataset = reader(data_root=data_root, split=split, download=False, pipeline=[])
        else:
            dataset = CustomDataset(
                data_root=data_root, data_prefix=split, with_label=True, pipeline=[]
            )
            wrong = wrong_classes(reader, dataset.metainfo['classes'])
            if wrong is not None:
                raise InputError(f'"{osp.join(data_root, split)}" has {wrong}')
        self.data_root, self.num_classes, self.split = data_root, num_classes, split
        super().__init__(dataset, imbalance_type, imbalance_factor, **kwargs)

    def full_init(self) -> None:
        """Read the labels (once) and make the selection, if the set is the whole one."""
        if self._fully_initialized:
            return
        labels = dataset_labels(self.dataset)
        counts = count_labels(labels, self.num_classes)
        each = self.TOTALS[self.split] // self.num_classes
        whole = (counts == each).all()
        if self.split == 'train' and whole:
            super().full_init()
            return
        if not whole:
            self._check_own_subset(counts, each)
        self.indices = np.arange(len(labels))
        self._labels, self._num_classes = labels, self.num_classes
        self._image_counts = counts
        self._fully_initialized = True

    def _check_own_subset(self, counts: np.ndarray, each: int) -> None:
        """Refuse training images in other numbers than the long tail has, and other test sets."""
        expected = f'the whole set has {each:,} of each class'
        if self.split == 'train':
            img_max = each if self.img_max is None else self.img_max
            kind, factor = self.imbalance_type, self.imbalance_factor
            wanted = long_tailed_counts(self.num_classes, img_max, factor, kind)
            if self.held_out is None and (counts == wanted).all():
                MMLogger.get_current_instance().info(
                    f'{self.data_root}: {counts.sum():,} training images, a long tail already '
                    f'({kind}, factor {factor:g}): own subset, not the one of published figures.'
                )
                return
            expected += (
                f', its long tail ({kind}, imbalance_factor={factor}) {wanted.sum():,} images, '
                f'{wanted[0]:,} ... {wanted[-1]:,}'
            )
            if self.held_out is not None:
                expected += '; held_out needs the whole set'
        raise InputError(
            f'"{self.data_root}" has {counts.sum():,} {self.split} images, {counts[0]:,} ... '
            f'{counts[-1]:,} of a class: {expected}'
        )

    @property
    def metainfo(self) -> dict:
        """Of :class:`LongTailedDataset`; that of the test images names no class counts."""
        metainfo = super().metainfo
        metainfo['classes'] = tuple(READERS[self.num_classes].METAINFO['classes'])
        if self.split == 'test':
            for name in ('class_counts', 'imbalance_type', 'imbalance_factor', 'imbalance_seed'):
                metainfo.pop(name, None)
        return metainfo
