"""Data sets that know how many images each class has."""

import numpy as np
from mmpretrain.datasets import BaseDataset

from rcl_mm.class_counts import count_labels


class CountedDataset(BaseDataset):
    """MMPretrain's data set with ``class_counts``, also in the meta information of training.

    Subclasses set ``split`` and return int64 labels. Counts of a validation or test split are not
    in its meta information: nothing must take them for those of the training set.
    """

    split: str

    @property
    def class_counts(self) -> np.ndarray:
        """Images of each class in this split, shape (C, ), int64."""
        return count_labels(self.get_gt_labels(), len(self.CLASSES))

    @property
    def metainfo(self) -> dict:
        """Class names and, of an initialised training split, ``class_counts`` (list of int)."""
        metainfo = super().metainfo
        if self.split == 'train' and self._fully_initialized:
            metainfo['class_counts'] = self.class_counts.tolist()
        return metainfo
