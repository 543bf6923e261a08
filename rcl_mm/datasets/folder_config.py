"""Filling in a config what its images say: data root and number of classes."""

from typing import List, Optional

from mmengine.config import Config

from rcl_mm.class_counts import inner_datasets
from rcl_mm.datasets.image_folders import find_image_folders
from rcl_mm.errors import InputError
from rcl_mm.runtime.config_types import is_type

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
AUTO = 'auto'


def fill_in_folder_data(cfg: Config) -> Optional[int]:
    """Complete a config whose data sets are :class:`FolderLT`, in place.

    ``data_root`` at the top of the config, where ``--cfg-options data_root=FOLDER`` puts it, goes
    to every data set that has none of its own; ``num_classes='auto'`` in the head and in the data
    preprocessor becomes the number of class folders. The config that a run writes down is so
    complete, and its checkpoint needs no images to be used.

    Args:
        cfg (Config): Changed in place; untouched if it has no FolderLT.

    Returns:
        int | None: Number of classes, if it was filled in.

    Raises:
        FileNotFoundError: If the data root is no folder.
        InputError: If no data root is given, or it has less than two class folders.
    """
    datasets = [
        dataset
        for name in LOADERS
        for dataset in inner_datasets(cfg.get(name) or {})
        if is_type(dataset, 'FolderLT')
    ]
    for dataset in datasets:
        if not dataset.get('data_root'):
            if not cfg.get('data_root'):
                raise InputError(
                    'it is not said where the images are: --cfg-options data_root=FOLDER, with '
                    'images in FOLDER/train/<class>/ or FOLDER/<class>/'
                )
            dataset['data_root'] = cfg['data_root']
    places = _places_of_auto(cfg)
    if not places:
        return None
    if not datasets:
        raise InputError(
            "num_classes='auto' is for configs with FolderLT data sets: give the number of classes"
        )
    first = datasets[0]
    num_classes = len(find_image_folders(first['data_root'], first.get('split_folders')).classes)
    return fill_in_number_of_classes(cfg, num_classes)


def fill_in_number_of_classes(cfg: Config, num_classes: int) -> int:
    """Put a number of classes where a config says ``num_classes='auto'``, in place."""
    for place in _places_of_auto(cfg):
        place['num_classes'] = num_classes
    return num_classes


def _places_of_auto(cfg: Config) -> List[dict]:
    model = cfg.get('model') or {}
    heads = (model.get('head'), cfg.get('data_preprocessor'), model.get('data_preprocessor'))
    return [place for place in heads if place and place.get('num_classes') == AUTO]
