"""ImageNet-LT, iNaturalist 2018 and Places-LT from their standard list files."""

import os.path as osp
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np
from mmengine.fileio import exists, get_file_backend
from mmengine.logging import MMLogger
from mmengine.registry import DATASETS
from mmpretrain.datasets.categories import IMAGENET_CATEGORIES

from rcl_mm.datasets.counted import CountedDataset
from rcl_mm.datasets.image_lists import read_image_list
from rcl_mm.datasets.refetch import prepare_or_another
from rcl_mm.errors import InputError


class ListBenchmark(CountedDataset):
    """A benchmark whose splits are list files with one "relative/path label" per line.

    Args:
        data_root (str): Folder that the images' paths and the list are relative to.
        split (str): One of ``TOTALS``. Defaults to 'train'.
        ann_file (str): The list; defaults to the split's standard name, looked for in
            ``data_root`` and in the folders of ``LIST_FOLDERS`` below it.
        data_prefix (str | dict): Folder of the images below ``data_root``. Defaults to ''.
        check_totals (bool): Whether to refuse a list whose number of images is not the published
            one; otherwise the difference is only logged. Defaults to False.
        allow_outside_root (bool): Whether paths in the list may leave the data root. Defaults to
            False.
        **kwargs: Arguments of MMPretrain's ``BaseDataset``: pipeline, classes, indices, ...

    Raises:
        InputError: If the split is unknown or the list has an error, with file and line.
        FileNotFoundError: If there is no list, with the places looked at.
    """

    NUM_CLASSES: int
    # Published number of images of each split.
    TOTALS: Dict[str, int]
    # Published number of classes with > 100, 20..100 and < 20 training images, where one is.
    SHOTS: Optional[Tuple[int, int, int]] = None
    LISTS: Dict[str, str]
    LIST_FOLDERS: Tuple[str, ...]
    # What prepare_data calls it.
    NAME: str

    def __init__(
        self,
        data_root: str = '',
        split: str = 'train',
        ann_file: str = '',
        data_prefix: Union[str, dict] = '',
        check_totals: bool = False,
        allow_outside_root: bool = False,
        **kwargs: Any,
    ) -> None:
        if split not in self.TOTALS:
            raise InputError(
                f'{type(self).__name__} has no split {split!r}, allowed are '
                f'{", ".join(self.TOTALS)}'
            )
        self.split = split
        self.check_totals = check_totals
        self.allow_outside_root = allow_outside_root
        self._labels = None
        super().__init__(
            ann_file=ann_file or self.find_list(data_root, split),
            data_root=data_root,
            data_prefix=data_prefix,
            **kwargs,
        )

    @classmethod
    def list_candidates(cls, split: str) -> List[str]:
        """Where a split's list is looked for, relative to the data root."""
        return [osp.join(folder, cls.LISTS[split]) for folder in ('', *cls.LIST_FOLDERS)]

    @classmethod
    def find_list(cls, data_root: str, split: str) -> str:
        """The split's list relative to the data root: the first place where there is one."""
        candidates = cls.list_candidates(split)
        root = osp.expanduser(data_root)
        return next((c for c in candidates if exists(osp.join(root, c))), candidates[0])

    def load_data_list(self) -> List[dict]:
        """Read and check the list of the split."""
        if not exists(self.ann_file):
            places = ', '.join(self.list_candidates(self.split))
            raise FileNotFoundError(
                f'{type(self).__name__} {self.split}: no list {self.ann_file} (standard places '
                f'below data_root={self.data_root!r}: {places}); "python tools/prepare_data.py '
                f'{self.NAME} DATA_ROOT" says what to get'
            )
        num_classes = len(self.CLASSES)
        paths, labels = read_image_list(self.ann_file, num_classes, self.allow_outside_root)
        self._check_total(len(paths))
        prefix = self.img_prefix
        join = get_file_backend(prefix, enable_singleton=True).join_path
        return [
            dict(img_path=join(prefix, path), gt_label=label)
            for path, label in zip(paths, labels.tolist())
        ]

    def _check_total(self, total: int) -> None:
        published = self.TOTALS[self.split]
        if total == published:
            return
        message = (
            f'{type(self).__name__} {self.split}: {self.ann_file} has {total:,} images, the '
            f'published split has {published:,}'
        )
        if self.check_totals:
            raise InputError(f'{message}: get the standard list, or set check_totals=False')
        MMLogger.get_current_instance().warning(
            f'{message}: results will not be comparable with published ones'
        )

    def get_gt_labels(self) -> np.ndarray:
        """Labels, shape (N, ), int64; read once."""
        if self._labels is None:
            self._labels = super().get_gt_labels()
        return self._labels.copy()

    def get_subset_(self, indices: Union[Sequence[int], int]) -> None:
        """Keep only some samples, see MMEngine."""
        super().get_subset_(indices)
        self._labels = None

    def get_subset(self, indices: Union[Sequence[int], int]) -> 'ListBenchmark':
        """A data set of some of the samples, see MMEngine."""
        subset = super().get_subset(indices)
        subset._labels = None
        return subset

    def __getitem__(self, idx: int) -> Any:
        """A sample after the pipeline; another one, chosen reproducibly, if that gave None."""
        self.full_init()
        return prepare_or_another(
            self.prepare_data, idx, len(self), self.test_mode, self.max_refetch
        )


@DATASETS.register_module()
class ImageNetLT(ListBenchmark):
    """ImageNet-LT: 115,846 training images of 1,000 classes, 1280 down to 5 per class.

    Liu et al., "Large-Scale Long-Tailed Recognition in an Open World", CVPR 2019. Its ``val`` split
    (20 images per class) is cut from ImageNet's training images, its ``test`` split is ImageNet's
    validation set, in one folder per class. See :class:`ListBenchmark` for the arguments.

    Example:
        >>> train = dict(type='ImageNetLT', data_root='data/imagenet', split='train', pipeline=[])
    """

    METAINFO = {'classes': IMAGENET_CATEGORIES}
    NAME = 'imagenet_lt'
    NUM_CLASSES = 1000
    TOTALS = dict(train=115_846, val=20_000, test=50_000)
    SHOTS = (385, 479, 136)
    LISTS = {split: f'ImageNet_LT_{split}.txt' for split in TOTALS}
    LIST_FOLDERS = ('ImageNet_LT', 'meta')


@DATASETS.register_module()
class INaturalist2018(ListBenchmark):
    """iNaturalist 2018: 437,513 training and 24,426 validation images of 8,142 species.

    Van Horn et al., "The iNaturalist Species Classification and Detection Dataset", CVPR 2018.
    Class names are the category ids unless ``classes`` is given. See :class:`ListBenchmark` for the
    arguments.
    """

    METAINFO = {'classes': tuple(map(str, range(8142)))}
    NAME = 'inaturalist2018'
    NUM_CLASSES = 8142
    TOTALS = dict(train=437_513, val=24_426)
    LISTS = {split: f'iNaturalist18_{split}.txt' for split in TOTALS}
    LIST_FOLDERS = ('iNaturalist18', 'meta')


@DATASETS.register_module()
class PlacesLT(ListBenchmark):
    """Places-LT: 62,500 training images of 365 scenes, 4980 down to 5 per class.

    Liu et al., "Large-Scale Long-Tailed Recognition in an Open World", CVPR 2019. Class names are
    the labels unless ``classes`` is given. See :class:`ListBenchmark` for the arguments.
    """

    METAINFO = {'classes': tuple(map(str, range(365)))}
    NAME = 'places_lt'
    NUM_CLASSES = 365
    TOTALS = dict(train=62_500, val=7_300, test=36_500)
    SHOTS = (131, 163, 71)
    LISTS = {split: f'Places_LT_{split}.txt' for split in TOTALS}
    LIST_FOLDERS = ('Places_LT', 'Places_LT_v2', 'meta')
