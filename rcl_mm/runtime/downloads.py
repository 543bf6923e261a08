"""Telling missing images and failed downloads of pre-trained weights from other errors."""

import os
import re
import traceback
from pathlib import Path
from typing import Any, Iterator, Optional

# By name: Hugging Face's client and its transport are imported by timm only when they are needed.
NETWORK_ERRORS = (
    'URLError',
    'gaierror',
    'ConnectError',
    'ConnectTimeout',
    'LocalEntryNotFoundError',
)
MMPRETRAIN_DATASETS = os.path.join('mmpretrain', 'datasets') + os.sep
#: Classes of MMPretrain that download their images, and their names in tools/prepare_data.py.
DOWNLOADED = {'CIFAR10': 'cifar10', 'CIFAR100': 'cifar100'}
CIFAR10_JPEG = 'cifar10_jpeg'


def error_chain(error: Optional[BaseException]) -> Iterator[BaseException]:
    """An error and what it was raised from, latest first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def failed_download(error: BaseException) -> Optional[str]:
    """One line for an error that comes from a download, or None for another error.

    Args:
        error (BaseException): With its causes.

    Returns:
        str | None: What could not be downloaded, and what to do without a network.
    """
    names = [type(one).__name__ for one in error_chain(error)]
    if not set(names) & set(NETWORK_ERRORS):
        return None
    reason = 'no network' if 'gaierror' in names or 'ConnectError' in names else names[0]
    dataset = _loading_dataset(error)
    if dataset is not None:
        return _images_not_downloaded(dataset, reason)
    text = ' '.join(str(one) for one in error_chain(error))
    address = re.search(r'https?://[^\s>\'"]+', text)
    what = f' {address.group(0)}' if address else ''
    return (
        f'pre-trained weights could not be downloaded{what} ({reason}): download them elsewhere '
        'and give the file (init_cfg=dict(type="Pretrained", checkpoint=FILE), for timm '
        'model.backbone.pretrained=False model.backbone.checkpoint_path=FILE), or train without'
    )


def missing_images(error: BaseException) -> Optional[str]:
    """One line for a folder of CIFAR-10 (JPEG) that is not there, or None for another error."""
    for one in error_chain(error):
        if not isinstance(one, FileNotFoundError) or not one.filename:
            continue
        parts = Path(str(one.filename)).parts
        if CIFAR10_JPEG in parts and _loading_dataset(error) is not None:
            root = Path(*parts[: parts.index(CIFAR10_JPEG) + 1])
            return (
                f'the images of CIFAR-10 (JPEG) are not in {one.filename}: '
                f'"python tools/prepare_data.py {CIFAR10_JPEG} {root}" says what to get'
            )
    return None


def _loading_dataset(error: BaseException) -> Optional[Any]:
    """The data set of MMPretrain in whose code an error came up, None if there is none."""
    for one in error_chain(error):
        for frame, _ in traceback.walk_tb(one.__traceback__):
            dataset = frame.f_locals.get('self')
            in_datasets = MMPRETRAIN_DATASETS in frame.f_code.co_filename
            if in_datasets and hasattr(dataset, 'data_prefix'):
                return dataset
    return None


def _images_not_downloaded(dataset: Any, reason: str) -> str:
    prefix = dataset.data_prefix
    root = (prefix.get('root') if isinstance(prefix, dict) else prefix) or dataset.data_root
    root = os.path.normpath(root)
    text = (
        f'the images of {type(dataset).__name__} are not in {root} and could not be downloaded '
        f'({reason}): '
    )
    names = [
        DOWNLOADED[one.__name__] for one in type(dataset).__mro__ if one.__name__ in DOWNLOADED
    ]
    if not names:
        return f'{text}put them there'
    return f'{text}"python tools/prepare_data.py {names[0]} {root}" says what to get'
