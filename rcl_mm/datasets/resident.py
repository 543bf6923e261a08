"""Small images, decoded once and kept in memory as one tensor.

For CIFAR-sized data the usual pipeline, which makes every image anew in Python, costs more time
than the training step. Here a batch is one indexing of a uint8 tensor, and the views are made of
the whole batch on the device (``models.view_augments``). No worker processes are needed::

    train_dataloader = dict(
        batch_size=256,
        num_workers=0,
        dataset=dict(type='ResidentDataset', dataset=dict(type='LongTailedDataset', ...)),
        sampler=dict(type='ReproducibleSampler'),
        collate_fn=dict(type='resident_collate'))
    model = dict(data_preprocessor=dict(
        type='MultiViewDataPreprocessor',
        view_augments=[dict(type='CifarClsAugment'), dict(type='CifarSimAugment'), ...]))
"""

import copy
from collections.abc import Sequence as SequenceABC
from typing import Any, List, Optional, Sequence, Tuple, Union

import cv2
import mmcv
import mmengine.fileio as fileio
import numpy as np
import torch
from mmengine.registry import DATASETS, FUNCTIONS
from mmpretrain.registry import DATASETS as MMPRETRAIN_DATASETS
from mmpretrain.structures import DataSample
from torch import Tensor

from rcl_mm.class_counts import dataset_labels
from rcl_mm.datasets.counted import ClassCountsMixin
from rcl_mm.errors import InputError


def make_data_sample(
    label: Tensor,
    index: Optional[int],
    path: Optional[str],
    shape: Tuple[int, int],
    original_shape: Optional[Tuple[int, int]] = None,
) -> DataSample:
    """A ``DataSample`` with ``gt_label`` and the usual meta information.

    The same as ``set_gt_label`` and ``set_metainfo`` make, ten times as fast: they would check and
    copy values that are known to be right.
    """
    sample = DataSample()
    meta = dict(sample_idx=index, img_shape=shape, ori_shape=original_shape or shape, img_path=path)
    meta = {key: value for key, value in meta.items() if value is not None}
    sample.__dict__.update(meta, gt_label=label)
    sample._metainfo_fields.update(meta)
    sample._data_fields.add('gt_label')
    return sample


class ResidentBatch(SequenceABC):
    """Some samples of a :class:`ResidentDataset`: a sequence of them, and all images in one tensor.

    Args:
        images (Tensor): uint8, shape (N, 3, H, W).
        data_samples (list[DataSample]): N samples.
    """

    def __init__(self, images: Tensor, data_samples: List[DataSample]) -> None:
        self.images = images
        self.data_samples = data_samples

    def __len__(self) -> int:
        return len(self.data_samples)

    def __getitem__(self, position: int) -> dict:
        return dict(inputs=self.images[position], data_samples=self.data_samples[position])


@FUNCTIONS.register_module()
def resident_collate(batch: Sequence) -> dict:
    """Collate a batch of a :class:`ResidentDataset`.

    Args:
        batch (ResidentBatch | Sequence[dict]): What the data set gave; or single samples, as from a
            ``Subset`` of it.

    Returns:
        dict: ``inputs``, a uint8 tensor (N, 3, H, W), and ``data_samples``, a list of N.
    """
    if isinstance(batch, ResidentBatch):
        return dict(inputs=batch.images, data_samples=batch.data_samples)
    return dict(
        inputs=torch.stack([item['inputs'] for item in batch]),
        data_samples=[item['data_samples'] for item in batch],
    )


@DATASETS.register_module()
class ResidentDataset(ClassCountsMixin):
    """Any data set of small images, decoded once into one uint8 tensor in memory.

    The inner set's pipeline is not run: images are handed out whole, as RGB, for augmentation on
    the device. An image comes from ``data_info['img']`` (RGB, as in MMPretrain's CIFAR) or is read
    from ``data_info['img_path']``. Images of files and of arrays are both RGB here, so leave the
    preprocessor's ``to_rgb`` at False.

    Args:
        dataset (dict | object): The inner data set, its config, or a stack of wrappers with
            ``get_data_info``.
        size (int | tuple[int, int], optional): Height and width to resize to (antialiased).
            Defaults to None: all images must have one size already.
        max_bytes (int): Refuse to take more memory than this. Defaults to 8 GiB.
        lazy_init (bool): Whether to leave decoding to the first use. Defaults to False.

    Raises:
        InputError: If the images differ in size, cannot be decoded or do not fit in memory.

    Example:
        >>> digits = ResidentDataset(dict(type='DigitsLT', split='val', pipeline=[]))
        >>> digits.images.shape
        torch.Size([200, 3, 32, 32])
    """

    def __init__(
        self,
        dataset: Union[dict, Any],
        size: Union[int, Tuple[int, int], None] = None,
        max_bytes: int = 8 << 30,
        lazy_init: bool = False,
    ) -> None:
        if isinstance(dataset, dict):
            dataset = MMPRETRAIN_DATASETS.build(dict(dataset))
        self.dataset = dataset
        self.size = (size, size) if isinstance(size, int) else size
        self.max_bytes = max_bytes
        self._fully_initialized = False
        if not lazy_init:
            self.full_init()

    def full_init(self) -> None:
        """Decode all images; once."""
        if self._fully_initialized:
            return
        if hasattr(self.dataset, 'full_init'):
            self.dataset.full_init()
        if len(self.dataset) == 0:
            raise InputError('the inner data set is empty: check its annotation file and data_root')
        self._labels = dataset_labels(self.dataset)
        images, self.paths = None, []
        for i in range(len(self.dataset)):
            info = self.dataset.get_data_info(i)
            image = self._load(info, i)
            if images is None:
                images = self._allocate(image.shape)
            if image.shape != images.shape[1:]:
                raise InputError(
                    f'image {i} has shape {image.shape}, the first one {images.shape[1:]}: give '
                    'size=(height, width) to resize all images to'
                )
            images[i] = image
            self.paths.append(info.get('img_path'))
        # Channels first, and freed of the copy in the other order.
        self.images = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        self.labels = torch.from_numpy(self._labels)
        self._fully_initialized = True

    def _allocate(self, shape: Tuple[int, int, int]) -> np.ndarray:
        needed = 2 * len(self.dataset) * int(np.prod(shape))
        if needed > self.max_bytes:
            raise InputError(
                f'{len(self.dataset)} images of {shape[0]}x{shape[1]} need {needed / 2**30:.1f} '
                f'GiB while decoding, allowed is max_bytes={self.max_bytes / 2**30:.1f} GiB: give '
                'a smaller size, or use the data set without ResidentDataset'
            )
        return np.empty((len(self.dataset), *shape), np.uint8)

    def _load(self, info: dict, index: int) -> np.ndarray:
        """An image as RGB, (H, W, 3) uint8."""
        if 'img' in info:
            image = np.asarray(info['img'])
        else:
            image = mmcv.imfrombytes(fileio.get(info['img_path']))
            if image is None:
                raise InputError(f'"{info["img_path"]}" cannot be decoded: replace the file')
            image = image[..., ::-1]
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise InputError(
                f'image {index} has shape {image.shape} and type {image.dtype}, allowed is '
                '(H, W, 3) uint8'
            )
        if self.size is not None and image.shape[:2] != tuple(self.size):
            height, width = self.size
            smaller = height < image.shape[0] or width < image.shape[1]
            method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
            image = cv2.resize(image, (width, height), interpolation=method)
        return image

    @property
    def metainfo(self) -> dict:
        """The inner set's meta information."""
        return copy.deepcopy(dict(getattr(self.dataset, 'metainfo', None) or {}))

    def get_gt_labels(self) -> np.ndarray:
        """Labels, shape (N, ), int64."""
        self.full_init()
        return self._labels.copy()

    def get_cat_ids(self, idx: int) -> List[int]:
        """Label of a sample as a list of one, as ``ClassBalancedDataset`` asks for it."""
        self.full_init()
        return [int(self._labels[idx])]

    def get_data_info(self, idx: int) -> dict:
        """Annotation of a sample, from the inner set."""
        return self.dataset.get_data_info(idx)

    def __getitems__(self, indices: Sequence[int]) -> ResidentBatch:
        """A whole batch; torch's loader calls it where a data set has it.

        Args:
            indices (Sequence[int]): Indices, which may carry draws.
        """
        self.full_init()
        chosen = torch.tensor(indices, dtype=torch.int64)
        images = self.images[chosen]
        shape = tuple(images.shape[2:])
        samples = [
            make_data_sample(label, index, self.paths[index], shape)
            for label, index in zip(self.labels[chosen].split(1), indices)
        ]
        return ResidentBatch(images, samples)

    def __getitem__(self, idx: int) -> dict:
        """One sample: ``inputs`` (3, H, W) uint8 and ``data_samples``."""
        return self.__getitems__([idx])[0]

    def __len__(self) -> int:
        return len(self.dataset)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({len(self)} images in memory,\ndataset={self.dataset!r})'
