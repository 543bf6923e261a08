"""From a one-view training pipeline to two or three views of each image."""

import copy
from typing import Any, List, Optional, Tuple, Union

from mmengine.config import ConfigDict
from mmpretrain.registry import TRANSFORMS

from rcl_mm.conversion.errors import ConversionError, type_name

Size = Union[int, Tuple[int, int]]

MULTI_VIEW = ('MultiView', 'ReproducibleMultiView')
# Not augmentations: each view needs them.
AFTER_AUGMENTATION = ('Normalize', 'Pad')
RESIZED_CROPS = ('RandomResizedCrop', 'EfficientNetRandomCrop', 'torchvision/RandomResizedCrop')
FLIPS = ('RandomFlip', 'torchvision/RandomHorizontalFlip')
# Up to this side an image is "small": the field's CIFAR recipe, else its ImageNet recipe.
SMALL = 64


def multi_view_pipeline(pipeline: List[dict], views: int) -> List[dict]:
    """A training pipeline that gives ``views`` views of each image.

    - two views: the pipeline's own augmentation, drawn twice, for both branches;
    - three views (BCL): view 0 is the pipeline's own augmentation, for the classifier; views 1
      and 2 are the contrastive augmentation of the field (SimCLR's without blur on large images),
      with the pipeline's own crop, interpolation and, if it flips, flip.

    Args:
        pipeline (list[dict]): ``[load steps], augmentation, PackInputs``.
        views (int): 2 or 3.

    Returns:
        list[dict]: The new pipeline; the old one is not changed.

    Raises:
        ConversionError: If there are several views already, a step is unknown, the last step is
            not PackInputs, or the size of the images after augmentation cannot be told.
    """
    names = [type_name(step) for step in pipeline]
    for name, step in zip(names, pipeline):
        if name in MULTI_VIEW:
            raise ConversionError(
                f'training pipeline: it has {name}, so it makes several views already'
            )
        if name is None or (isinstance(step['type'], str) and TRANSFORMS.get(step['type']) is None):
            raise ConversionError(
                f'training pipeline: the step {name or dict(step)} is unknown: register it '
                '(custom_imports), or correct its name'
            )
    if not names or names[-1] != 'PackInputs':
        raise ConversionError(
            f'training pipeline: it ends in {names[-1] if names else "nothing"}, needed is '
            'PackInputs'
        )
    steps = [_mended(step) for step in copy.deepcopy(list(pipeline))]
    start = 0
    while names[start].startswith('Load'):
        start += 1
    end = len(steps) - 1
    while end > start and names[end - 1] in AFTER_AUGMENTATION:
        end -= 1
    load, own, after, pack = steps[:start], steps[start:end], steps[end:-1], steps[-1:]
    if views == 2:
        multi_view = ConfigDict(
            type='ReproducibleMultiView', num_views=2, transforms=[[*own, *after]]
        )
    else:
        contrastive = contrastive_augmentation(own, 'bgr' if load else 'rgb')
        multi_view = ConfigDict(
            type='ReproducibleMultiView',
            num_views=[1, 2],
            transforms=[[*own, *after], [*contrastive, *copy.deepcopy(after)]],
        )
    return [*load, multi_view, *pack]


def contrastive_augmentation(own: List[dict], channel_order: str) -> List[dict]:
    """The field's contrastive augmentation, at the size and with the crop of the given steps.

    Args:
        own (list[dict]): The augmentation of the config.
        channel_order (str): 'bgr' for images from files, 'rgb' for arrays.
    """
    names = [type_name(step) for step in own]
    size = output_size(own)
    if size is None:
        raise ConversionError(
            'training pipeline: no step says what size the images have afterwards: add '
            'RandomResizedCrop, RandomCrop, CenterCrop or Resize'
        )
    small = (size if isinstance(size, int) else max(size)) <= SMALL
    crop = dict(type='RandomResizedCrop', scale=size)
    resized = next((step for step, name in zip(own, names) if name in RESIZED_CROPS), {})
    for key in ('crop_ratio_range', 'aspect_ratio_range', 'interpolation', 'backend'):
        if key in resized and isinstance(resized.get('type'), str):
            crop[key] = resized[key]
    if not resized:
        # A recipe that keeps whole objects in view has no resized crop; CIFAR's range.
        crop['crop_ratio_range'] = (0.2, 1.0)
    flips = [copy.deepcopy(step) for step, name in zip(own, names) if name == 'RandomFlip']
    if not flips and any(name in FLIPS for name in names):
        flips = [dict(type='RandomFlip', prob=0.5, direction='horizontal')]
    jitter = dict(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, prob=0.8)
    luma = (0.114, 0.587, 0.299)
    steps = [
        crop,
        *flips,
        dict(type='RandomColorJitter', channel_order=channel_order, **jitter),
        dict(
            type='RandomGrayscale',
            prob=0.2,
            keep_channels=True,
            channel_weights=luma if channel_order == 'bgr' else luma[::-1],
            color_format=channel_order,
        ),
    ]
    if small:
        steps.append(
            dict(type='GaussianBlur', magnitude_range=(0.1, 2.0), magnitude_std='inf', prob=0.5)
        )
    return [ConfigDict(step) for step in steps]


def output_size(steps: List[dict]) -> Optional[Size]:
    """Side, or (width, height), of the images after the steps; None if no step says it."""
    for step in reversed(steps):
        name = type_name(step) or ''
        for key, is_height_first in (('crop_size', True), ('scale', False), ('size', True)):
            value = _pair(step.get(key))
            # A torchvision scale is a range of areas, Albumentations and others have their own.
            if value is None or (key == 'scale' and name.startswith('torchvision/')):
                continue
            if not isinstance(value, int) and is_height_first:
                value = value[::-1]
            return value
    return None


def _pair(value: Any) -> Optional[Size]:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, (list, tuple)) and all(type(one) is int for one in value):
        if len(value) == 2:
            return tuple(value) if value[0] != value[1] else value[0]
        return value[0] if len(value) == 1 else None
    return None


def _mended(step: dict) -> dict:
    """MMPretrain's ColorJitter with hue raises OverflowError on numpy 2: the same by ours."""
    if type_name(step) != 'ColorJitter' or not step.get('hue'):
        return step
    step = {key: value for key, value in step.items() if key != 'backend'}
    return ConfigDict(step, type='RandomColorJitter')
