"""Several views of each image to one batch."""

from typing import List, Optional, Sequence, Union

import torch
from mmengine.registry import MODELS
from mmpretrain.models.utils import ClsDataPreprocessor
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from rcl_mm.augment.draws import draw_of
from rcl_mm.augment.parts import copy_without_waiting
from rcl_mm.errors import InputError

# Memory for views that are made ahead on an accelerator.
AHEAD_BYTES = 1 << 30
# What making a view takes beside the result, in views of float32: 6.7 measured, for the jitter.
WORKING_VIEWS = 8
# Batches of a multiple of this lie at addresses of one alignment, whatever comes before them.
ALIGNED_ROWS = 16


class ReadyViews(list):
    """Views of a batch that :meth:`MultiViewDataPreprocessor.make_views` has made."""


# Largest absolute value from which floats are pixels of 0..255, and below which they are not.
PIXELS, NORMALISED = 32.0, 8.0


@MODELS.register_module()
class MultiViewDataPreprocessor(ClsDataPreprocessor):
    """MMPretrain's preprocessor for batches with V views of each image.

    The views are stacked view-major, so that backbone and neck see one plain batch::

        V tensors (N, 3, H, W)  ->  [ view 0: N rows | view 1: N rows | ... ]  (V*N, 3, H, W)
        N data samples          ->  N data samples

    Views come from the pipeline (``ReproducibleMultiView`` or MMPretrain's ``MultiView``) with
    either collate function, or are made here, on the device, by ``view_augments`` from one image
    tensor. Batches with one view, as in testing, go through as in MMPretrain.

    Args:
        view_augments (Sequence[dict], optional): One module for each view, each called as
            ``module(images, draws, view)`` on (N, 3, H, W) RGB images of 0..255 in training, with
            the samples' draws (N, ) int64 or None. Defaults to None.
        repeat_samples (bool): Repeat the data samples for each view, so that a stock head trains on
            all views as on separate images. Not for :class:`RCLHead`. Defaults to False.
        channels_last (bool): Give the model channels-last memory, which convolutions
            under mixed precision prefer. Defaults to False.
        non_blocking (bool): Copy to the device while the host goes on, so that it need not wait for
            the step before. For batches in pinned memory (the loader's ``pin_memory=True``); others
            are safe, too, but may wait. Defaults to True.
        ahead_bytes (int, optional): Memory for the views of coming batches, made in one pass where
            the images are in memory, see :func:`rcl_mm.engine.views_ahead.with_views_ahead`; 0 for
            views batch by batch. Defaults to None: 1 GiB on an accelerator, where a batch's many
            small operations cost more than the step; 0 on a CPU, where they do not.
        **kwargs: Arguments of :class:`mmpretrain.models.ClsDataPreprocessor` (mean, std, to_rgb,
            pad_size_divisor, ...), without batch augmentations.

    Raises:
        InputError: For ``batch_augments``, or views of different sizes, types or ranges.
    """

    def __init__(
        self,
        *args,
        view_augments: Optional[Sequence[Union[dict, nn.Module]]] = None,
        repeat_samples: bool = False,
        channels_last: bool = False,
        non_blocking: bool = True,
        ahead_bytes: Optional[int] = None,
        **kwargs,
    ) -> None:
        super().__init__(*args, **kwargs)
        # MMPretrain's class has no such argument, but the method that copies is MMEngine's.
        self._non_blocking = non_blocking
        if self.batch_augments is not None:
            raise InputError(
                'MultiViewDataPreprocessor got batch_augments: mixup and cutmix make soft labels, '
                'which a contrastive loss cannot use; take them out'
            )
        self.repeat_samples = repeat_samples
        self.channels_last = channels_last
        if ahead_bytes is not None and ahead_bytes < 0:
            raise InputError(f'ahead_bytes is {ahead_bytes}, allowed is 0 or more')
        self.ahead_bytes = ahead_bytes
        self._checked = False
        self.view_augments = None
        if view_augments is not None:
            self.view_augments = nn.ModuleList(
                augment if isinstance(augment, nn.Module) else MODELS.build(augment)
                for augment in view_augments
            )

    def forward(self, data: dict, training: bool = False) -> dict:
        """Collated data to ``inputs`` (V*N, 3, H, W) and ``data_samples``."""
        inputs, samples = data['inputs'], data.get('data_samples')
        if self.view_augments is not None and training:
            if not isinstance(inputs, ReadyViews):
                inputs = self.make_views([data])[0]['inputs']
            views = [self._swap_channels(view) for view in inputs]
        elif self._has_views(inputs):
            views = [self._one_tensor(view) for view in self.cast_data(inputs)]
            self._check_values(views)
        else:
            views = None
        rows = 1
        if views is not None:
            if len({view.shape for view in views}) != 1:
                raise InputError(
                    f'the views have shapes {[tuple(view.shape) for view in views]}: give all '
                    'views the same size and number'
                )
            inputs, rows = torch.cat(views), len(views)
        self._move_labels(samples)
        result = super().forward({'inputs': inputs, 'data_samples': samples}, training)
        if self.channels_last:
            result['inputs'] = result['inputs'].contiguous(memory_format=torch.channels_last)
        if self.repeat_samples and training and result['data_samples'] is not None:
            result['data_samples'] = list(result['data_samples']) * rows
        return result

    def make_views(self, batches: Sequence[dict]) -> List[dict]:
        """Replace the images of batches by their views, made in one pass on the device.

        Args:
            batches (Sequence[dict]): Collated batches, equally long if they are several.

        Returns:
            list[dict]: The batches with ``inputs`` a :class:`ReadyViews` of V tensors (N, 3, H, W),
            equal to the last bit to those of each batch alone.
        """
        images = [self._one_tensor(batch['inputs']) for batch in batches]
        if len(batches) == 1:
            images = self.cast_data(images[0])
        else:
            images = copy_without_waiting(torch.cat(images), self.device)
        images = self._swap_channels(images)
        samples = [sample for batch in batches for sample in batch.get('data_samples') or ()]
        if len(batches) == 1:
            parts = [self._augment(images, samples)]
        else:
            size = len(images) // len(batches)
            draws = self._draws(samples)
            views = (a(images, draws, v, size) for v, a in enumerate(self.view_augments))
            parts = zip(*(view.split(size) for view in views))
        return [dict(batch, inputs=ReadyViews(part)) for batch, part in zip(batches, parts)]

    def batches_ahead(self, batch: dict) -> int:
        """How many batches like this one, with its views made, fit the memory at once.

        Counted are the views of two blocks, as one may still be in use while the next is made, and
        what making a view takes. Without draws the views follow the order of the generator's
        random numbers, and rounding may depend on where a batch lies in memory: then it is one.
        """
        budget = self.ahead_bytes
        if budget is None:
            budget = 0 if self.device.type == 'cpu' else AHEAD_BYTES
        size = len(batch['inputs'][0])
        if (
            not all(getattr(augment, 'several_batches', False) for augment in self.view_augments)
            or size % ALIGNED_ROWS
            or self._draws(batch.get('data_samples')) is None
        ):
            return 1
        view = max(view.numel() * 4 for view in batch['inputs'])
        return max(1, budget // ((2 * len(self.view_augments) + WORKING_VIEWS) * view))

    def _check_values(self, views: List[Tensor]) -> None:
        """Refuse views of different types at every batch, of different ranges at the first.

        Raises:
            InputError: If one view has pixels of 0..255 and another normalised or 0..1 values.
        """
        types = [str(view.dtype).removeprefix('torch.') for view in views]
        ranges = [0.0] * len(views)
        if not self._checked and views[0].is_floating_point() and len(set(types)) == 1:
            ranges = [float(view.abs().max()) for view in views]
        self._checked = True
        if len(set(types)) != 1 or (max(ranges) > PIXELS and 0 < min(ranges) < NORMALISED):
            found = ', '.join(f'{kind} up to {top:.3g}' for kind, top in zip(types, ranges))
            raise InputError(
                f'the views have values of different kinds ({found if max(ranges) else types}): '
                'give all views the same steps after their augmentation, such as Normalize'
            )

    def _move_labels(self, samples) -> None:
        """All labels in one copy; the super class then has none to make, which would wait."""
        if self.device.type == 'cpu' or not self._non_blocking or not samples:
            return
        if not isinstance(samples[0], DataSample) or 'gt_label' not in samples[0]:
            return
        labels = [sample.gt_label for sample in samples]
        if all(label.is_cpu for label in labels):
            moved = copy_without_waiting(torch.cat(labels), self.device)
            for sample, label in zip(samples, moved.split([len(label) for label in labels])):
                sample.set_gt_label(label)

    @staticmethod
    def _has_views(inputs) -> bool:
        """Views are a list of batches: tensors (N, 3, H, W), or lists of N images (3, H, W)."""
        if isinstance(inputs, Tensor):
            return False
        first = inputs[0]
        return not isinstance(first, Tensor) or first.ndim == 4

    @staticmethod
    def _one_tensor(images) -> Tensor:
        return images if isinstance(images, Tensor) else torch.stack(list(images))

    def _swap_channels(self, images: Tensor) -> Tensor:
        """To RGB and back: augmentations see RGB, and MMPretrain's ``to_rgb`` comes after them."""
        return images.flip(1) if self.to_rgb else images

    @staticmethod
    def _draws(samples) -> Optional[Tensor]:
        """Draws of the samples (N, ) int64, None unless all have one."""
        draws = [draw_of(sample.get('sample_idx')) for sample in samples or []]
        if not draws or any(draw is None for draw in draws):
            return None
        # Draws are unsigned 64-bit numbers; torch keeps the same bits as signed ones.
        return torch.tensor([d - (1 << 64) if d >> 63 else d for d in draws])

    def _augment(self, images: Tensor, samples) -> List[Tensor]:
        draws = self._draws(samples)
        return [augment(images, draws, view) for view, augment in enumerate(self.view_augments)]
