"""A sampler whose order and augmentation draws follow from (seed, epoch) alone."""

import math
from typing import Iterator, Optional, Sized

import numpy as np
import torch
from mmengine.dist import get_dist_info, sync_random_seed
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import Sampler

from rcl_mm.augment.draws import DrawIndex, sample_draws, uniforms
from rcl_mm.errors import InputError

__all__ = ['DrawIndex', 'ReproducibleSampler', 'sample_draws', 'uniforms']


@DATA_SAMPLERS.register_module()
class ReproducibleSampler(Sampler):
    """MMEngine's ``DefaultSampler`` that also draws the seed of each sample's augmentation.

    The order of the samples is the one of ``DefaultSampler`` for the same seed and epoch. Each
    index is a :class:`DrawIndex`, whose ``draw`` is mixed from (seed, epoch, index) and seeds
    :class:`ReproducibleMultiView` and :class:`ReproducibleView`.

    Args:
        dataset (Sized): The data set.
        shuffle (bool): Whether to shuffle each epoch anew. Defaults to True.
        seed (int, optional): The same on all ranks. Defaults to None: drawn on rank 0 and shared.
        round_up (bool): Whether to repeat the first samples so that all ranks get equally many.
            No effect when ``infinite``. Defaults to True.
        infinite (bool): Whether to yield indices without end, one shuffled pass after the other,
            for iteration-based training; the number of the pass takes the place of the epoch and
            ``set_epoch`` has no effect. Unlike with ``InfiniteSampler`` a pass can be entered
            anywhere without going through the ones before it. Defaults to False.

    Raises:
        InputError: If the data set is empty.
    """

    def __init__(
        self,
        dataset: Sized,
        shuffle: bool = True,
        seed: Optional[int] = None,
        round_up: bool = True,
        infinite: bool = False,
    ) -> None:
        if len(dataset) == 0:
            raise InputError(
                f'the data set {type(dataset).__name__} is empty, at least one sample is needed: '
                'check its annotation file and data_prefix'
            )
        self.rank, self.world_size = get_dist_info()
        self.dataset = dataset
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else int(seed)
        self.round_up = round_up
        self.infinite = infinite
        self.epoch = 0
        self._skip = 0
        size = len(dataset)
        if infinite:
            self.num_samples = self.total_size = size
        elif round_up:
            self.num_samples = math.ceil(size / self.world_size)
            self.total_size = self.num_samples * self.world_size
        else:
            self.num_samples = math.ceil((size - self.rank) / self.world_size)
            self.total_size = size

    def skip(self, num_samples: int) -> None:
        """Start the next iteration ``num_samples`` samples of this rank in; once.

        A run that resumes in the middle of an epoch calls it after ``set_epoch``, with the number
        of samples that this rank has already trained on in the epoch (in all, when ``infinite``).

        Raises:
            InputError: If it is negative or beyond the end of the epoch.
        """
        if num_samples < 0 or (not self.infinite and num_samples > self.num_samples):
            raise InputError(
                f'skip({num_samples}) is outside the epoch of this rank, allowed is '
                f'0..{self.num_samples}: was the batch size or the number of GPUs changed?'
            )
        self._skip = int(num_samples)

    def _pass_order(self, epoch: int) -> np.ndarray:
        """Indices of a whole pass over the data, shape (len(dataset), ), for all ranks."""
        if not self.shuffle:
            return np.arange(len(self.dataset))
        generator = torch.Generator()
        generator.manual_seed(self.seed + epoch)
        return torch.randperm(len(self.dataset), generator=generator).numpy()

    def _with_draws(self, indices: np.ndarray, epoch: int) -> Iterator[DrawIndex]:
        draws = sample_draws(self.seed, epoch, indices)
        return map(DrawIndex, indices.tolist(), draws.tolist())

    def _endless(self, skip: int) -> Iterator[DrawIndex]:
        # Position in the stream of all ranks: this rank reads every world_size-th of it.
        position = self.rank + skip * self.world_size
        size = len(self.dataset)
        while True:
            number, offset = divmod(position, size)
            own = self._pass_order(number)[offset :: self.world_size]
            yield from self._with_draws(own, number)
            position += len(own) * self.world_size

    def __iter__(self) -> Iterator[DrawIndex]:
        skip, self._skip = self._skip, 0
        if self.infinite:
            return self._endless(skip)
        order = np.resize(self._pass_order(self.epoch), self.total_size)
        own = order[self.rank : self.total_size : self.world_size]
        return self._with_draws(own[skip:], self.epoch)

    def __len__(self) -> int:
        """Samples of this rank in an epoch; the size of the data set when ``infinite``."""
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch that the order and the draws follow from."""
        self.epoch = int(epoch)
