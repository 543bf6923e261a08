"""Every run reads its images with a check, whatever its config says."""

from typing import Any, List

from mmcv.transforms import LoadImageFromFile
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from rcl_mm.class_counts import inner_datasets
from rcl_mm.datasets.loading import MAX_PIXELS, LoadCheckedImage


@HOOKS.register_module()
class ImageCheckHook(Hook):
    """Puts :class:`LoadCheckedImage` in the place of ``LoadImageFromFile`` in all pipelines.

    So that a config can keep the name that inferencers look for, and every data set, also stock
    ones, stops with the path of an image that can't be read, or skips it.

    Args:
        on_error (str): What to do in training: 'raise', or 'skip' and take another image. In
            validation and testing it is always 'raise'. Defaults to 'raise'.
        max_skipped_share (float): Largest share of images that may be skipped. Defaults to 0.01.
        max_pixels (int): Largest size of an image. Defaults to Pillow's limit.

    Example:
        >>> custom_hooks = [dict(type='ImageCheckHook', on_error='skip')]
    """

    # Before all others: nothing must have started a worker yet.
    priority = 'HIGHEST'

    def __init__(
        self,
        on_error: str = 'raise',
        max_skipped_share: float = 0.01,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self.settings = dict(
            on_error=on_error, max_skipped_share=max_skipped_share, max_pixels=max_pixels
        )
        # Wrong settings are an error now, not with the first image.
        LoadCheckedImage(**self.settings)
        self._loaders: List[LoadCheckedImage] = []
        self._said = 0

    def before_train(self, runner: Runner) -> None:
        """Check the training images, by the chosen policy."""
        self._loaders = self._replace(runner.train_dataloader, **self.settings)

    def before_val(self, runner: Runner) -> None:
        """Check the validation images."""
        self._replace(runner.val_loop.dataloader, max_pixels=self.settings['max_pixels'])

    def before_test(self, runner: Runner) -> None:
        """Check the test images."""
        self._replace(runner.test_loop.dataloader, max_pixels=self.settings['max_pixels'])

    def after_train_epoch(self, runner: Runner) -> None:
        """Say how many images were skipped, if any were."""
        skipped = sum(loader.counter.skipped for loader in self._loaders)
        total = sum(loader.counter.total for loader in self._loaders)
        if skipped > self._said:
            self._said = skipped
            runner.logger.warning(
                f'{skipped:,} of {total:,} images read in this run were skipped: see above for '
                'their paths'
            )

    @staticmethod
    def _replace(loader: Any, **settings: Any) -> List[LoadCheckedImage]:
        placed = []
        for dataset in inner_datasets(loader):
            transforms = getattr(getattr(dataset, 'pipeline', None), 'transforms', None)
            if not isinstance(transforms, list):
                continue
            for position, transform in enumerate(transforms):
                if type(transform) is LoadImageFromFile and transform.file_client_args is None:
                    transforms[position] = LoadCheckedImage(
                        to_float32=transform.to_float32,
                        color_type=transform.color_type,
                        imdecode_backend=transform.imdecode_backend,
                        backend_args=transform.backend_args,
                        **settings,
                    )
                if isinstance(transforms[position], LoadCheckedImage):
                    placed.append(transforms[position])
        return placed
