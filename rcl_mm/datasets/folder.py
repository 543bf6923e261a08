"""A folder of class folders as a data set: a user's own images, with a tail of their own."""

import os.path as osp
from typing import Any, List, Optional, Sequence

import numpy as np
from mmengine.logging import MMLogger
from mmengine.registry import DATASETS

from rcl_mm.class_counts import count_labels
from rcl_mm.datasets.counted import CountedDataset
from rcl_mm.datasets.image_folders import (
    SPLITS,
    PassedOver,
    class_names,
    find_image_folders,
    image_extensions,
    images_below,
)
from rcl_mm.datasets.refetch import prepare_or_another
from rcl_mm.errors import InputError

# What is held out of each class where there is no val folder.
VAL_FRACTION = 0.2
SPLIT_SEED = 0


def stratified_split(labels: Sequence[int], val_fraction: float, seed: int = 0) -> np.ndarray:
    """Which images are held out for validation, class by class.

    Of a class with n images ``round(val_fraction * n)`` are held out, at least one if n > 1, and
    never all: a class with one image keeps it for training. Images are chosen from the order given
    and the seed alone.

    Args:
        labels (Sequence[int]): Labels, shape (N, ).
        val_fraction (float): Share of each class, above 0 and below 1.
        seed (int): Defaults to 0.

    Returns:
        np.ndarray: Mask of the held-out images, shape (N, ), bool.

    Raises:
        InputError: If ``val_fraction`` is out of range.
    """
    if not 0 < val_fraction < 1:
        raise InputError(f'val_fraction is {val_fraction}, allowed is above 0 and below 1')
    labels = np.asarray(labels)
    random_state = np.random.RandomState(seed)
    held_out = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        indices = random_state.permutation(np.flatnonzero(labels == label))
        number = max(1, round(val_fraction * len(indices)))
        held_out[indices[: min(number, len(indices) - 1)]] = True
    return held_out


@DATASETS.register_module()
class FolderLT(CountedDataset):
    """Your own images in one folder per class; names, counts and groups come from the folders.

    ::

        data_root/train/<class>/*.jpg        or, without a train folder,   data_root/<class>/*.jpg
        data_root/val/<class>/*.jpg          (optional)
        data_root/test/<class>/*.jpg         (optional)

    Without a val folder a stratified part of the training images is held out, so that no class is
    left without a training image; without a test folder ``test`` is the same as ``val``. Images
    are found in folders of any depth below a class folder. The split folders may also be called
    Train, Training, valid, validation, dev, Testing, test_set and so on; the log names what is
    passed over.

    Args:
        data_root (str): The folder.
        split (str): 'train', 'val' or 'test'. Defaults to 'train'.
        val_fraction (float): Share of each class held out where there is no val folder. Defaults
            to 0.2.
        split_seed (int): Seed of that split; not the run's. Defaults to 0.
        split_folders (bool, optional): Whether folders named like splits are splits (True) or
            classes of such names (False). Defaults to None: :func:`find_image_folders` tells.
        **kwargs: Arguments of MMPretrain's ``BaseDataset``: pipeline, test_mode, lazy_init, ...

    Raises:
        FileNotFoundError: If ``data_root`` is no folder or has no training images' folder.
        InputError: For an unknown split, less than two classes, a class without a training image,
            or a class in val or test that the training images do not have.

    Example:
        >>> train = dict(type='FolderLT', data_root='data/birds', split='train', pipeline=[])
    """

    def __init__(
        self,
        data_root: str = '',
        split: str = 'train',
        val_fraction: float = VAL_FRACTION,
        split_seed: int = SPLIT_SEED,
        split_folders: Optional[bool] = None,
        **kwargs: Any,
    ) -> None:
        if split not in SPLITS:
            raise InputError(f'split is {split!r}, allowed are {", ".join(SPLITS)}')
        self.split = split
        self.val_fraction = val_fraction
        self.split_seed = split_seed
        self.split_folders = split_folders
        kwargs.setdefault('ann_file', '')
        super().__init__(data_root=data_root, **kwargs)

    def load_data_list(self) -> List[dict]:
        """Find the images of the split."""
        folders = find_image_folders(self.data_root, self.split_folders)
        train_folder, names = folders.splits['train'], folders.classes
        if self.CLASSES is not None and list(self.CLASSES) != names:
            raise InputError(
                f'classes are {list(self.CLASSES)[:5]}..., but the folders in "{train_folder}" are '
                f'{names[:5]}...: leave classes out, or name the folders alike'
            )
        self._metainfo['classes'] = tuple(names)
        self._say(folders.passed_over)
        if self.split != 'train' and 'val' in folders.splits:
            return self._scan(folders.splits.get(self.split, folders.splits['val']), names)
        if self.split == 'test' and 'test' in folders.splits:
            return self._scan(folders.splits['test'], names)
        data_list = self._scan(train_folder, names)
        labels = [data['gt_label'] for data in data_list]
        empty = np.flatnonzero(count_labels(labels, len(names)) == 0)
        if empty.size:
            raise InputError(
                f'"{osp.join(train_folder, names[empty[0]])}" has no image ({empty.size} such '
                f'class(es)): add images ({", ".join(image_extensions())}), or remove the folder'
            )
        if 'val' not in folders.splits:
            held_out = stratified_split(labels, self.val_fraction, self.split_seed)
            wanted = held_out if self.split != 'train' else ~held_out
            data_list = [data for data, keep in zip(data_list, wanted) if keep]
        return data_list

    def _scan(self, folder: str, names: List[str]) -> List[dict]:
        passed_over = PassedOver(folder)
        labels = {name: label for label, name in enumerate(names)}
        found = class_names(folder, passed_over)
        unknown = [name for name in found if name not in labels]
        if unknown:
            raise InputError(
                f'"{osp.join(folder, unknown[0])}" is a class without training images '
                f'({len(unknown)} such class(es)): add a folder of that name to the training '
                'images, or remove this one'
            )
        data_list = [
            dict(img_path=osp.join(folder, name, path), gt_label=labels[name])
            for name in found
            for path in images_below(osp.join(folder, name), passed_over, within=folder)
        ]
        if not data_list:
            raise InputError(f'"{folder}" has no image ({", ".join(image_extensions())})')
        self._say(passed_over)
        absent = len(labels) - len({data['gt_label'] for data in data_list})
        if absent and self.split != 'train':
            MMLogger.get_current_instance().warning(
                f'FolderLT {self.split}: {absent} of {len(labels)} classes have no image in '
                f'"{folder}"; they are left out of the mean accuracies'
            )
        return data_list

    def _say(self, passed_over: PassedOver) -> None:
        if str(passed_over):
            MMLogger.get_current_instance().info(f'FolderLT {self.split}: {passed_over}')

    def __getitem__(self, idx: int) -> Any:
        """A sample after the pipeline; another one, chosen reproducibly, if that gave None."""
        self.full_init()
        return prepare_or_another(
            self.prepare_data, idx, len(self), self.test_mode, self.max_refetch
        )
