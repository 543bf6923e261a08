"""From a one-view training pipeline to two or three views of each image."""

import copy
from typing import Any, List, Optional, Tuple, Union

from mmengine.config import ConfigDict
from mmpretrain.registry import TRANSFORMS

from rcl_mm.conversion.errors import ConversionError
from rcl_mm.runtime.config_types import type_name

Size = Union[int, Tuple[int, int]]

MULTI_VIEW = ('MultiView', 'ReproducibleMultiView')
# What the contrastive augmentation comes in the place of.
AUGMENTATIONS = {
    *('RandomResizedCrop', 'EfficientNetRandomCrop', 'EfficientNetCenterCrop', 'RandomCrop'),
    *('CenterCrop', 'Resize', 'ResizeEdge', 'RandomResize', 'RandomChoiceResize', 'RandomFlip'),
    *('RandomErasing', 'RandomCutout', 'Cutout', 'ColorJitter', 'RandomColorJitter', 'Lighting'),
    *('RandomGrayscale', 'GaussianBlur', 'AutoAugment', 'RandAugment', 'TimmRandAugment'),
    *('TorchvisionAutoAugment', 'AutoContrast', 'Brightness', 'ColorTransform', 'Contrast'),
    *('Equalize', 'Invert', 'Posterize', 'Rotate', 'Sharpness', 'Shear', 'Solarize'),
    *('SolarizeAdd', 'Translate', 'RandomTranslatePad', 'torchvision/AugMix'),
    *('torchvision/AutoAugment', 'torchvision/CenterCrop', 'torchvision/ColorJitter'),
    *('torchvision/ElasticTransform', 'torchvision/GaussianBlur', 'torchvision/RandAugment'),
    *('torchvision/RandomAdjustSharpness', 'torchvision/RandomAffine', 'torchvision/Resize'),
    *('torchvision/RandomAutocontrast', 'torchvision/RandomCrop', 'torchvision/RandomEqualize'),
    *('torchvision/RandomErasing', 'torchvision/RandomGrayscale', 'torchvision/RandomInvert'),
    *('torchvision/RandomHorizontalFlip', 'torchvision/RandomPerspective'),
    *('torchvision/RandomPosterize', 'torchvision/RandomResizedCrop', 'torchvision/RandomRotation'),
    *('torchvision/RandomSolarize', 'torchvision/RandomVerticalFlip'),
    'torchvision/TrivialAugmentWide',
}
PADS = ('Pad', 'torchvision/Pad')
# Not augmentations: each view needs them.
CONVERSIONS = {
    *('Normalize', 'NumpyToPIL', 'ToPIL', 'PILToNumpy', 'ToNumpy', 'torchvision/ToTensor'),
    *('torchvision/PILToTensor', 'torchvision/ConvertImageDtype', 'torchvision/Normalize'),
    *('torchvision/ToPILImage', 'torchvision/Grayscale'),
    *PADS,
}
WRAPPERS = ('RandomApply', 'RandomChoice', 'torchvision/RandomApply', 'torchvision/RandomChoice')
ALBUMENTATIONS = ('Albu', 'Albumentations')
OWN_PIPELINE = (
    'convert with two views (views=2, --views 2), which both go through your own pipeline'
)
RESIZED_CROPS = ('RandomResizedCrop', 'EfficientNetRandomCrop', 'torchvision/RandomResizedCrop')
FLIPS = {
    'torchvision/RandomHorizontalFlip': 'horizontal',
    'torchvision/RandomVerticalFlip': 'vertical',
}
COLOUR_TYPES = ('color', 'color_ignore_orientation')
# Up to this side an image is "small": the field's CIFAR recipe, else its ImageNet recipe.
SMALL = 64


def multi_view_pipeline(pipeline: List[dict], views: int) -> List[dict]:
    """A training pipeline that gives ``views`` views of each image.

    - two views: the pipeline's own augmentation, drawn twice, for both branches;
    - three views (BCL): view 0 is the pipeline's own augmentation, for the classifier; views 1
      and 2 are the contrastive augmentation of the field (SimCLR's without blur on large images),
      with the pipeline's own crop, interpolation and, if it flips, flip, then all steps of the
      pipeline that do not augment, such as Normalize.

    Args:
        pipeline (list[dict]): ``[load steps], augmentation, PackInputs``.
        views (int): 2 or 3.

    Returns:
        list[dict]: The new pipeline; the old one is not changed.

    Raises:
        ConversionError: If there are several views already, a step is unknown, the last step is
            not PackInputs, and with three views if a step is neither known as augmentation nor as
            a conversion, or the size of the images after augmentation cannot be told.
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
    load, own, pack = steps[:start], steps[start:-1], steps[-1:]
    if views == 2:
        multi_view = ConfigDict(type='ReproducibleMultiView', num_views=2, transforms=[own])
    else:
        load = [_colour_pixels(step) for step in load]
        augmentation, conversions = split_augmentation(own)
        contrastive = contrastive_augmentation(augmentation, 'bgr' if load else 'rgb')
        multi_view = ConfigDict(
            type='ReproducibleMultiView',
            num_views=[1, 2],
            transforms=[own, [*contrastive, *copy.deepcopy(conversions)]],
        )
    return [*load, multi_view, *pack]


def _colour_pixels(step: dict) -> dict:
    """A step that loads colour images as uint8, which the contrastive augmentation needs.

    Raises:
        ConversionError: If it loads grey images, or others of a type that is not known.
    """
    colour, backend = step.get('color_type', 'color'), step.get('imdecode_backend')
    if colour not in COLOUR_TYPES or backend == 'tifffile':
        what = f'color_type={colour!r}' if colour not in COLOUR_TYPES else 'tifffile'
        raise ConversionError(
            f'training pipeline: {type_name(step)} with {what} does not load colour images of '
            f'8 bits, which the contrastive augmentation changes in colour: {OWN_PIPELINE}'
        )
    # The same values: what follows them, such as Normalize, makes floats of pixels.
    return ConfigDict({key: value for key, value in step.items() if key != 'to_float32'})


def split_augmentation(own: List[dict]) -> Tuple[List[dict], List[dict]]:
    """The steps that augment, and those that every view needs, each in their order.

    Raises:
        ConversionError: If a step is neither known as one nor as the other.
    """
    names = [type_name(step) for step in own]
    sized = [place for place, step in enumerate(own) if names[place] in AUGMENTATIONS]
    last_size = max((place for place in sized if output_size([own[place]])), default=-1)
    augmentation, conversions = [], []
    for place, (name, step) in enumerate(zip(names, own)):
        # A border that a later crop cuts from is a part of the augmentation.
        if name in CONVERSIONS and not (name in PADS and place < last_size):
            conversions.append(step)
        elif name in PADS or _augments(step):
            augmentation.append(step)
        else:
            raise ConversionError(
                f'training pipeline: whether the contrastive views need the step {name} is not '
                f'known: {OWN_PIPELINE}'
            )
    return augmentation, conversions


def _augments(step: dict) -> bool:
    name = type_name(step)
    if name == 'RandomGrayscale' and step.get('prob', 0.5) == 1 and not step.get('keep_channels'):
        return False  # makes grey images of all
    if name in ALBUMENTATIONS:
        inner = [type_name(one) or '' for one in step.get('transforms') or ()]
        return not any(one.startswith(('Normalize', 'To', 'From')) for one in inner)
    if name in WRAPPERS:
        inner = step.get('transforms') or ()
        nested = [one for part in inner for one in (part if isinstance(part, list) else [part])]
        return all(_augments(one) for one in nested)
    return name in AUGMENTATIONS


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
        if key in resized:
            crop[key] = resized[key]
    if type_name(resized) == 'torchvision/RandomResizedCrop':
        for key, value in (('crop_ratio_range', 'scale'), ('aspect_ratio_range', 'ratio')):
            if value in resized:
                crop[key] = tuple(resized[value])
    if not resized:
        # A recipe that keeps whole objects in view has no resized crop; CIFAR's range.
        crop['crop_ratio_range'] = (0.2, 1.0)
    flips = [copy.deepcopy(step) for step, name in zip(own, names) if name == 'RandomFlip']
    flips += [
        dict(type='RandomFlip', prob=step.get('p', 0.5), direction=FLIPS[name])
        for step, name in zip(own, names)
        if name in FLIPS
    ]
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
