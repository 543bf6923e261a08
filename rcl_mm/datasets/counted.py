"""Data sets that know how many images each class has."""

from typing import Tuple

import numpy as np
from mmpretrain.datasets import BaseDataset

from rcl_mm.class_counts import dataset_class_counts
from rcl_mm.datasets.distinct_images import image_class_counts


class ClassCountsMixin:
    """``class_counts`` of a data set with ``get_gt_labels``."""

    @property
    def class_counts(self) -> np.ndarray:
        """Distinct images of each class in this data set, shape (C, ), int64."""
        return image_class_counts(self)


class CountedDataset(ClassCountsMixin, BaseDataset):
    """MMPretrain's data set with ``class_counts``, also in the meta information of training.

    Subclasses set ``split``. Counts of a validation or test split are not in its meta information:
    nothing must take them for those of the training set.
    """

    TRAINING_SPLITS: Tuple[str, ...] = ('train',)
    split: str

    def get_gt_labels(self) -> np.ndarray:
        """Labels, shape (N, ), int64."""
        return super().get_gt_labels().astype(np.int64)

    @property
    def metainfo(self) -> dict:
        """Class names and, of an initialised training split, ``class_counts`` (list of int)."""
        metainfo = super().metainfo
        if self.split in self.TRAINING_SPLITS and self._fully_initialized:
            # An innermost data set lists an image once, so there is no need to look for repeats.
            metainfo['class_counts'] = dataset_class_counts(self, len(self.CLASSES)).tolist()
        return metainfo
