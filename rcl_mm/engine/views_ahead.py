"""The views of many batches at a time, for images in memory."""

from itertools import groupby, islice
from typing import Iterator, Optional

from mmengine.model import is_model_wrapper
from torch import nn
from torch.utils.data import DataLoader

from rcl_mm.datasets.resident import ResidentDataset
from rcl_mm.models.preprocessors import MultiViewDataPreprocessor


def with_views_ahead(
    batches: Iterator[dict], loader: DataLoader, model: nn.Module, left: Optional[int] = None
) -> Iterator[dict]:
    """Batches whose views are made block by block, where that changes nothing but the time.

    A CIFAR batch takes some 500 small operations on the device, which cost more than the training
    step itself; a block of batches takes little more of them than one batch::

        loader:   b0 | b1 b2 b3 ... b24 | b25 b26 ...      read ahead: images in memory
        views:    b0 | one pass for all | one pass ...     uint8 images -> V views on the device
        training: b0 , b1 , b2 , b3 ...                    one batch a step, in the same order

    Reading ahead is safe where nothing is drawn by reading: from a :class:`ResidentDataset`, with
    the draws of a :class:`ReproducibleSampler`. All else goes through batch by batch, with the
    same views. The first batch is alone, as its views tell how many fit the memory; so is one that
    is smaller than the others. Who stops or resumes counts the batches that were trained.

    Args:
        batches (Iterator[dict]): The loader's batches, from any position.
        loader (DataLoader): Where they come from.
        model (nn.Module): The model, with its data preprocessor.
        left (int, optional): How many batches will be used; no more are read. Defaults to
            None: all.
    """
    model = model.module if is_model_wrapper(model) else model
    preprocessor = getattr(model, 'data_preprocessor', None)
    if (
        not isinstance(loader.dataset, ResidentDataset)
        or not isinstance(preprocessor, MultiViewDataPreprocessor)
        or preprocessor.view_augments is None
    ):
        return batches
    return _in_blocks(islice(batches, left), preprocessor)


def _in_blocks(batches: Iterator[dict], preprocessor: MultiViewDataPreprocessor) -> Iterator[dict]:
    ahead = 1
    while block := list(islice(batches, ahead)):
        # The last batch of an epoch may be a smaller one.
        for _, equal in groupby(block, lambda batch: len(batch['inputs'])):
            made = preprocessor.make_views(list(equal))
            ahead = preprocessor.batches_ahead(made[0])
            yield from made
