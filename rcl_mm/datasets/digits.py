"""Long-tailed handwritten digits: real images, no download."""

from functools import lru_cache
from typing import Any, List, Optional, Sequence

import cv2
import numpy as np
from mmengine.registry import DATASETS

from rcl_mm.class_counts import count_labels
from rcl_mm.datasets.counted import CountedDataset
from rcl_mm.datasets.long_tailed import long_tailed_counts, select_long_tailed
from rcl_mm.errors import InputError

SPLITS = ('train', 'val', 'test', 'trainval')


@lru_cache(maxsize=1)
def _digits():
    # Imported here: scikit-learn takes a second to import, and most runs don't need it.
    from sklearn.datasets import load_digits

    return load_digits()


@DATASETS.register_module()
class DigitsLT(CountedDataset):
    """scikit-learn's handwritten digits as a long-tailed data set of RGB images 32x32.

    1,797 real digits of 8x8 pixels (Alpaydin and Kaynak, "Optical Recognition of Handwritten
    Digits", UCI Machine Learning Repository, 1998), which come with scikit-learn, enlarged
    bilinearly. The split is fixed: of each class 50 images are held out as ``test`` and, of the
    rest, 20 as ``val``, so that both are balanced; ``train`` has at most 104 images per class and
    ``trainval`` (all but the test images) at most 124. Images are in ``data_info['img']``, (32, 32,
    3) uint8, as in MMPretrain's CIFAR.

    Args:
        split (str): 'train', 'val', 'test' or 'trainval'. Defaults to 'train'.
        imbalance_factor (float, optional): Largest over smallest class of the training images, see
            :func:`long_tailed_counts`. Defaults to None: balanced.
        imbalance_type (str): 'exp' or 'step'. Defaults to 'exp'.
        img_max (int, optional): Images of the largest class. Defaults to 104 ('train') or 124
            ('trainval').
        seed (int): Seed of the long-tailed selection, not of the split. Defaults to 0.
        **kwargs: Arguments of MMPretrain's ``BaseDataset``: pipeline, test_mode, lazy_init, ...

    Raises:
        InputError: If the split is unknown, or a held-out split is asked to be imbalanced.
    """

    METAINFO = {'classes': tuple('0123456789')}
    TRAINING_SPLITS = ('train', 'trainval')
    IMAGE_SIZE = 32
    TEST_PER_CLASS = 50
    VAL_PER_CLASS = 20
    SPLIT_SEED = 20231204

    def __init__(
        self,
        split: str = 'train',
        imbalance_factor: Optional[float] = None,
        imbalance_type: str = 'exp',
        img_max: Optional[int] = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        if split not in SPLITS:
            raise InputError(f'split is {split!r}, allowed are {", ".join(SPLITS)}')
        if split in ('val', 'test') and imbalance_factor not in (None, 1):
            raise InputError(
                f'split={split!r} is held out and balanced, got imbalance_factor='
                f'{imbalance_factor}: leave it out'
            )
        self.split = split
        self.imbalance_factor = imbalance_factor
        self.imbalance_type = imbalance_type
        self.img_max = img_max
        self.seed = seed
        kwargs.setdefault('ann_file', '')
        super().__init__(**kwargs)

    @classmethod
    def split_indices(cls, labels: Sequence[int], split: str) -> np.ndarray:
        """Sorted indices of a split's images before any imbalance, int64."""
        random_state = np.random.RandomState(cls.SPLIT_SEED)
        held_out = cls.TEST_PER_CLASS + cls.VAL_PER_CLASS
        parts = {
            'test': slice(0, cls.TEST_PER_CLASS),
            'val': slice(cls.TEST_PER_CLASS, held_out),
            'train': slice(held_out, None),
            'trainval': slice(cls.TEST_PER_CLASS, None),
        }
        chosen = []
        for label in np.unique(labels):
            order = random_state.permutation(np.flatnonzero(labels == label))
            chosen.append(order[parts[split]])
        return np.sort(np.concatenate(chosen))

    def load_data_list(self) -> List[dict]:
        """Images and labels of the split, from the copy inside scikit-learn."""
        digits = _digits()
        indices = self.split_indices(digits.target, self.split)
        if self.split in self.TRAINING_SPLITS:
            labels = digits.target[indices]
            smallest = int(count_labels(labels).min())
            img_max = smallest if self.img_max is None else self.img_max
            if img_max > smallest:
                raise InputError(
                    f'img_max is {img_max}, allowed is at most {smallest} for split={self.split!r}'
                )
            counts = long_tailed_counts(10, img_max, self.imbalance_factor, self.imbalance_type)
            indices = indices[select_long_tailed(labels, counts, self.seed)]
        size = (self.IMAGE_SIZE, self.IMAGE_SIZE)
        data_list = []
        for index in indices:
            # 17 grey levels, 0 to 16.
            gray = np.rint(digits.images[index] * (255 / 16)).astype(np.uint8)
            gray = cv2.resize(gray, size, interpolation=cv2.INTER_LINEAR)
            data_list.append(
                dict(img=np.repeat(gray[:, :, None], 3, 2), gt_label=int(digits.target[index]))
            )
        return data_list
