"""A long-tailed subset of any classification data set."""

import copy
from typing import Any, List, Optional, Sequence, Union

import numpy as np
from mmengine.logging import MMLogger
from mmengine.registry import DATASETS
from mmpretrain.registry import DATASETS as MMPRETRAIN_DATASETS

from rcl_mm.augment.draws import keep_draw
from rcl_mm.class_counts import count_labels, dataset_labels
from rcl_mm.datasets.counted import ClassCountsMixin
from rcl_mm.datasets.distinct_images import image_class_counts
from rcl_mm.datasets.refetch import prepare_or_another
from rcl_mm.errors import InputError

IMBALANCE_TYPES = ('exp', 'step')


def long_tailed_counts(
    num_classes: int,
    img_max: float,
    imbalance_factor: Optional[float],
    imbalance_type: str = 'exp',
) -> np.ndarray:
    """Images to keep of each class.

    The profiles of Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin
    Loss", NeurIPS 2019: ``exp`` keeps ``int(img_max * IF^(-c / (C - 1)))`` images of class c,
    ``step`` keeps ``int(img_max)`` of the first C // 2 classes and ``int(img_max / IF)`` of the
    others.

    Args:
        num_classes (int): Number of classes C.
        img_max (float): Images of the largest class.
        imbalance_factor (float, optional): IF, the size of the largest class over that of the
            smallest; None or 1 for a balanced set.
        imbalance_type (str): 'exp' or 'step'. Defaults to 'exp'.

    Returns:
        np.ndarray: Counts, shape (C, ), int64.

    Raises:
        InputError: If an argument is out of range or a class would have no image.
    """
    if imbalance_type not in IMBALANCE_TYPES:
        raise InputError(
            f'imbalance_type is {imbalance_type!r}, allowed are {", ".join(IMBALANCE_TYPES)}'
        )
    factor = 1.0 if imbalance_factor is None else float(imbalance_factor)
    if not np.isfinite(factor) or factor < 1:
        raise InputError(
            f'imbalance_factor is {imbalance_factor}, allowed is 1 or more (largest over smallest '
            'class): where other code says 0.01, give 100'
        )
    if num_classes < 1 or not np.isfinite(img_max) or img_max < 1:
        raise InputError(
            f'{num_classes} classes of at most {img_max} images, allowed is 1 or more of each'
        )
    ratio = 1.0 / factor
    if imbalance_type == 'exp':
        last = max(num_classes - 1.0, 1.0)
        counts = [int(img_max * (ratio ** (c / last))) for c in range(num_classes)]
    else:
        head = num_classes // 2 if num_classes > 1 else 1
        counts = [int(img_max)] * head + [int(img_max * ratio)] * (num_classes - head)
    if min(counts) < 1:
        raise InputError(
            f'imbalance_factor={imbalance_factor} of {img_max:g} images leaves class '
            f'{int(np.argmin(counts))} with none: allowed is at most {int(img_max)}'
        )
    return np.asarray(counts, dtype=np.int64)


def select_long_tailed(labels: Sequence[int], counts: Sequence[int], seed: int = 0) -> np.ndarray:
    """Pick the images of a long-tailed subset as the community's CIFAR-LT generator does.

    For each class in ascending order the array of its indices is shuffled by one
    ``RandomState(seed)`` and the first ``counts[c]`` are kept (Cao et al., LDAM-DRW, 2019), so
    that CIFAR-LT is image by image the set that published figures are for.

    Args:
        labels (Sequence[int]): Labels of the full set, shape (N, ).
        counts (Sequence[int]): Images to keep of each class, shape (C, ). A class that has fewer
            keeps all it has.
        seed (int): Defaults to 0.

    Returns:
        np.ndarray: Indices into the full set, class by class in the order drawn, int64.
    """
    labels = np.asarray(labels)
    random_state = np.random.RandomState(seed)
    kept = []
    # Classes without an image draw nothing: the generator walks over the labels that occur.
    for label in np.unique(labels):
        indices = np.flatnonzero(labels == label)
        random_state.shuffle(indices)
        kept.append(indices[: counts[label]])
    return np.concatenate(kept).astype(np.int64)


def select_held_out(
    labels: Sequence[int], counts: Sequence[int], per_class: int, seed: int = 0
) -> np.ndarray:
    """Pick a balanced validation set from the images that :func:`select_long_tailed` leaves.

    The last ``per_class`` images of each class in the same shuffled order, so that training and
    validation sets of one seed never share an image.

    Args:
        labels (Sequence[int]): Labels of the full set, shape (N, ).
        counts (Sequence[int]): Images that the training set keeps of each class, shape (C, ).
        per_class (int): Images of each class.
        seed (int): Seed of the training set's selection. Defaults to 0.

    Returns:
        np.ndarray: Indices into the full set, int64.

    Raises:
        InputError: If a class has too few images left.
    """
    labels, counts = np.asarray(labels), np.asarray(counts)
    left = count_labels(labels, len(counts)) - counts
    if per_class < 1 or (left < per_class).any():
        label = int(left.argmin())
        raise InputError(
            f'held_out={per_class} images of each class, but class {label} has {left[label]} '
            'beside its training images: allowed is 1 to that number; lower img_max (of both sets)'
        )
    everything = select_long_tailed(labels, np.full_like(counts, len(labels)), seed)
    ordered = labels[everything]
    return np.concatenate([everything[ordered == c][-per_class:] for c in np.unique(labels)])


@DATASETS.register_module()
class LongTailedDataset(ClassCountsMixin):
    """Long-tailed training set cut from a (balanced) classification data set.

    Wraps any MM data set with single integer labels, or a stack of MMEngine's wrappers around
    one. The inner set keeps its pipeline. With CIFAR-10/100 and ``seed=0`` the result is the
    community's CIFAR-10/100-LT.

    Args:
        dataset (dict | object): The inner data set or its config.
        imbalance_type (str): 'exp' or 'step'. Defaults to 'exp'.
        imbalance_factor (float, optional): Largest over smallest class; None keeps ``img_max``
            images of each class. Defaults to 100.
        seed (int): Seed of the selection. It does not follow the seed of the run, so that all runs
            train on the same images. Defaults to 0.
        img_max (float, optional): Images of the largest class. Defaults to the mean number of
            images per class of the inner set (as published).
        held_out (int, optional): Be the validation set beside the training set of the same
            arguments: this many images of each class that it leaves, see :func:`select_held_out`.
            Defaults to None.
        lazy_init (bool): Whether to leave reading the labels to the first use. Defaults to False.

    Example:
        >>> train = dict(
        ...     type='LongTailedDataset', imbalance_factor=100,
        ...     dataset=dict(type='CIFAR10', data_root='data/cifar10', split='train', pipeline=[]))
    """

    def __init__(
        self,
        dataset: Union[dict, Any],
        imbalance_type: str = 'exp',
        imbalance_factor: Optional[float] = 100,
        seed: int = 0,
        img_max: Optional[float] = None,
        held_out: Optional[int] = None,
        lazy_init: bool = False,
    ) -> None:
        # Checks the arguments before the (perhaps slow) inner set is built.
        long_tailed_counts(1, img_max if img_max is not None else 1, None, imbalance_type)
        long_tailed_counts(1, 1, imbalance_factor, imbalance_type)
        if isinstance(dataset, dict):
            dataset = dict(dataset)
            if lazy_init:
                dataset.setdefault('lazy_init', True)
            dataset = MMPRETRAIN_DATASETS.build(dataset)
        self.dataset = dataset
        self.imbalance_type = imbalance_type
        self.imbalance_factor = imbalance_factor
        self.seed = seed
        self.img_max = img_max
        self.held_out = held_out
        self._fully_initialized = False
        if not lazy_init:
            self.full_init()

    def full_init(self) -> None:
        """Initialise the inner set, read its labels (once) and make the selection."""
        if self._fully_initialized:
            return
        labels = dataset_labels(self.dataset)
        if labels.size == 0:
            raise InputError('the inner data set is empty: check its annotation file and data_root')
        classes = (getattr(self.dataset, 'metainfo', None) or {}).get('classes')
        num_classes = len(classes) if classes else int(labels.max()) + 1
        available = count_labels(labels, num_classes)
        img_max = len(labels) / num_classes if self.img_max is None else self.img_max
        wanted = long_tailed_counts(
            num_classes, img_max, self.imbalance_factor, self.imbalance_type
        )
        short = np.flatnonzero(available < wanted)
        if short.size:
            MMLogger.get_current_instance().warning(
                f'LongTailedDataset: {short.size} of {num_classes} classes have fewer images than '
                f'the profile asks for (class {short[0]}: {available[short[0]]} of '
                f'{wanted[short[0]]}); all they have are kept. Lower img_max for the exact profile.'
            )
        if self.held_out is None:
            self.indices = select_long_tailed(labels, wanted, self.seed)
        else:
            self.indices = select_held_out(labels, wanted, self.held_out, self.seed)
        self._labels = labels[self.indices]
        self._num_classes = num_classes
        self._fully_initialized = True
        self._image_counts = image_class_counts(self, num_classes)

    @property
    def metainfo(self) -> dict:
        """The inner set's meta information plus ``class_counts`` (once initialised), a list of int,
        ``classes``, and the arguments of the imbalance."""
        metainfo = copy.deepcopy(dict(getattr(self.dataset, 'metainfo', None) or {}))
        metainfo.update(
            imbalance_type=self.imbalance_type,
            imbalance_factor=self.imbalance_factor,
            imbalance_seed=self.seed,
        )
        # Neither the inner set's counts nor those of a validation set are the training set's.
        metainfo.pop('class_counts', None)
        if self._fully_initialized:
            metainfo.setdefault('classes', tuple(map(str, range(self._num_classes))))
            if self.held_out is None:
                metainfo['class_counts'] = self._image_counts.tolist()
        return metainfo

    def get_gt_labels(self) -> np.ndarray:
        """Labels of the subset, shape (len(self), ), int64."""
        self.full_init()
        return self._labels.copy()

    def get_cat_ids(self, idx: int) -> List[int]:
        """Label of a sample as a list of one, as ``ClassBalancedDataset`` asks for it."""
        self.full_init()
        return [int(self._labels[idx])]

    def _inner_index(self, idx: int) -> int:
        """Index into the inner set; carries the draw of ``idx``."""
        self.full_init()
        if not -len(self.indices) <= idx < len(self.indices):
            raise IndexError(f'index {idx} is outside a data set of {len(self.indices)} images')
        return keep_draw(idx, self.indices[idx])

    def get_data_info(self, idx: int) -> dict:
        """Annotation of a sample; its ``sample_idx`` is the index in the inner set."""
        return self.dataset.get_data_info(self._inner_index(idx))

    def prepare_data(self, idx: int) -> Any:
        """A sample after the inner pipeline; None if that gave none."""
        index = self._inner_index(idx)
        if hasattr(self.dataset, 'prepare_data'):
            return self.dataset.prepare_data(index)
        return self.dataset[index]

    def __getitem__(self, idx: int) -> Any:
        """A sample after the inner pipeline.

        Where that gives None, another sample is taken: one of the subset, never one of the inner
        set that was not selected. See :func:`prepare_or_another`.
        """
        return prepare_or_another(
            self.prepare_data,
            idx,
            len(self),
            getattr(self.dataset, 'test_mode', False),
            getattr(self.dataset, 'max_refetch', 1000),
        )

    def __len__(self) -> int:
        self.full_init()
        return len(self.indices)

    def __repr__(self) -> str:
        size = f'{len(self.indices)} images' if self._fully_initialized else 'not initialised'
        return (
            f'{type(self).__name__}({size}, imbalance_type={self.imbalance_type!r}, '
            f'imbalance_factor={self.imbalance_factor}, seed={self.seed},\n'
            f'dataset={self.dataset!r})'
        )
