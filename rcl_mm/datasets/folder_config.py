"""Filling in a config what its images say: data root and number of classes."""

from typing import Optional

from mmengine.config import Config

from rcl_mm.class_counts import inner_datasets
from rcl_mm.datasets.folder import class_folders
from rcl_mm.errors import InputError

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
        if str(dataset.get('type')).rpartition('.')[2] == 'FolderLT'
    ]
    for dataset in datasets:
        if not dataset.get('data_root'):
            if not cfg.get('data_root'):
                raise InputError(
                    'it is not said where the images are: --cfg-options data_root=FOLDER, with '
                    'images in FOLDER/train/<class>/ or FOLDER/<class>/'
                )
            dataset['data_root'] = cfg['data_root']
    model = cfg.get('model') or {}
    places = [
        place
        for place in (
            model.get('head'),
            cfg.get('data_preprocessor'),
            model.get('data_preprocessor'),
        )
        if place and place.get('num_classes') == AUTO
    ]
    if not places:
        return None
    if not datasets:
        raise InputError(
            "num_classes='auto' is for configs with FolderLT data sets: give the number of classes"
        )
    num_classes = len(class_folders(datasets[0]['data_root'])[1])
    for place in places:
        place['num_classes'] = num_classes
    return num_classes
