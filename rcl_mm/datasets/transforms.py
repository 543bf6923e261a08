"""Views whose augmentation follows from (draw, view) instead of from the worker's random state."""

import copy
import random
from contextlib import contextmanager
from typing import Any, Callable, Iterator, List, Optional, Sequence, Union

import numpy as np
import torch
from mmcv.transforms import BaseTransform, Compose
from mmengine.registry import TRANSFORMS
from mmpretrain.datasets.transforms import RandomResizedCrop
from mmpretrain.registry import TRANSFORMS as MMPRETRAIN_TRANSFORMS
from torch.utils.data import get_worker_info

from rcl_mm.augment.draws import draw_of, mix64_int
from rcl_mm.errors import InputError

Transform = Union[dict, Callable[[dict], dict]]


def seed_generators(draw: int, view: int) -> None:
    """Seed the global CPU generators of Python, numpy and torch from (draw, view)."""
    seed = mix64_int(draw, view)
    random.seed(seed)
    np.random.seed([seed & 0xFFFFFFFF, seed >> 32])
    # Not torch.manual_seed, which also reaches for the accelerators.
    torch.default_generator.manual_seed(seed)


@contextmanager
def restored_generators() -> Iterator[None]:
    """Put the random states of Python, numpy and torch (CPU) back at the end.

    Otherwise loading in the main process (``num_workers=0``) would seed the dropout of the next
    training step with an image's augmentation. A worker process has no such use for its state.
    """
    if get_worker_info() is not None:
        yield
        return
    states = random.getstate(), np.random.get_state(), torch.default_generator.get_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.default_generator.set_state(states[2])


def build_pipeline(transforms: Sequence[Transform]) -> Compose:
    """A pipeline from transforms or their configs, with MMPretrain's transforms known by name."""
    return Compose(
        [MMPRETRAIN_TRANSFORMS.build(t) if isinstance(t, dict) else t for t in transforms]
    )


def _own_copy(results: dict, pipeline: Compose, image_is_free: bool) -> dict:
    """The results for one view, which it may change in place without harm to the other views.

    The image, by far the largest part, is copied only where it must be: not for the last view, and
    not if the view begins with a resized crop, which reads it and makes a new one.
    """
    own = {key: copy.deepcopy(value) for key, value in results.items() if key != 'img'}
    if 'img' in results:
        img = results['img']
        first = next(iter(pipeline.transforms), None)
        if not (image_is_free or isinstance(first, RandomResizedCrop)):
            img = copy.deepcopy(img)
        own['img'] = img
    return own


@TRANSFORMS.register_module()
class ReproducibleMultiView(BaseTransform):
    """MMPretrain's ``MultiView`` with each view's randomness seeded from (draw, view).

    The draw comes with the sample index from :class:`ReproducibleSampler`. Without one (another
    sampler, a validation set) the ambient random state is used, as in ``MultiView``.

    **Required Keys:** img (array, or what the pipelines ask for), sample_idx (optional)

    **Modified Keys:** img: list of the V views

    Args:
        transforms (list[list[dict | callable]]): One pipeline per kind of view.
        num_views (int | list[int]): Views of each kind; V is their sum.

    Raises:
        InputError: If there is not one positive number of views for each pipeline.

    Example:
        >>> pipeline = [
        ...     dict(type='LoadImageFromFile'),
        ...     dict(type='ReproducibleMultiView', num_views=[1, 2], transforms=[
        ...         [dict(type='RandomResizedCrop', scale=224)],
        ...         [dict(type='RandomResizedCrop', scale=224), dict(type='RandomGrayscale')]]),
        ...     dict(type='PackInputs')]
    """

    def __init__(
        self, transforms: List[List[Transform]], num_views: Union[int, List[int]] = 1
    ) -> None:
        num_views = [num_views] if isinstance(num_views, int) else list(num_views)
        if len(num_views) != len(transforms) or any(n < 1 for n in num_views):
            raise InputError(
                f'num_views is {num_views} for {len(transforms)} pipelines, allowed is one number '
                '>= 1 for each: transforms is a list of pipelines, and a pipeline is a list'
            )
        self.num_views = num_views
        self.pipelines = [build_pipeline(pipeline) for pipeline in transforms]
        self.transforms = [p for p, n in zip(self.pipelines, num_views) for _ in range(n)]

    def _views(self, results: dict, draw: Optional[int]) -> Optional[List[Any]]:
        views = []
        last = len(self.transforms) - 1
        for view, pipeline in enumerate(self.transforms):
            if draw is not None:
                seed_generators(draw, view)
            outputs = pipeline(_own_copy(results, pipeline, image_is_free=view == last))
            if outputs is None:
                return None
            views.append(outputs['img'])
        return views

    def transform(self, results: dict) -> Optional[dict]:
        """Make the views; None if a view's pipeline gave None."""
        draw = draw_of(results.get('sample_idx'))
        if draw is None:
            views = self._views(results, None)
        else:
            with restored_generators():
                views = self._views(results, draw)
        if views is None:
            return None
        results['img'] = views
        return results

    def __repr__(self) -> str:
        parts = [
            f'\nPipeline {i + 1} with {n} views:\n{pipeline}'
            for i, (pipeline, n) in enumerate(zip(self.pipelines, self.num_views))
        ]
        return f'{type(self).__name__}({"".join(parts)})'


@TRANSFORMS.register_module()
class ReproducibleView(BaseTransform):
    """A pipeline for one view, with its randomness seeded from (draw, view).

    For baselines that train on single views; unlike :class:`ReproducibleMultiView` it hands on
    everything that the inner transforms leave in the results.

    Args:
        transforms (list[dict | callable]): The pipeline.
        view (int): Which view's random numbers to use: two configs with the same pipeline and view
            see the same images. Defaults to 0.
    """

    def __init__(self, transforms: List[Transform], view: int = 0) -> None:
        self.pipeline = build_pipeline(transforms)
        self.view = view

    def transform(self, results: dict) -> Optional[dict]:
        """Run the pipeline under the seed of the sample."""
        draw = draw_of(results.get('sample_idx'))
        if draw is None:
            return self.pipeline(results)
        with restored_generators():
            seed_generators(draw, self.view)
            return self.pipeline(results)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(view={self.view},\n{self.pipeline})'
