"""Class counts of the run in progress, for training scripts that register no hook of ours.

``custom_imports = dict(imports='rcl_mm')`` is then all that another library's script needs: a loss
with ``class_counts='auto'`` asks here at its first value.
"""

import logging
from typing import Any, Optional

import numpy as np
from mmengine.logging import MessageHub, print_log
from mmengine.registry import DATASETS

from rcl_mm.class_counts import (
    check_class_counts,
    count_labels,
    dataset_labels,
    inner_datasets,
)
from rcl_mm.runtime.config_types import type_name
from rcl_mm.runtime.literal_config import read_literal_config

WRAPPERS_WITHOUT_REPEATS = ('LongTailedDataset', 'ResidentDataset')


def class_counts_of_run(num_classes: Optional[int] = None) -> Optional[np.ndarray]:
    """Training images of each class in the training run of this process.

    MMEngine's ``RuntimeInfoHook`` leaves the meta information of the training set and the text of
    the config in the message hub, in every run. Counts in the former are taken as they are if no
    wrapper repeats images; else the training set of the config is built once, without its pipeline,
    and its labels counted.

    Args:
        num_classes (int, optional): Number of classes C. Defaults to what the data set says.

    Returns:
        np.ndarray | None: Counts, shape (C, ), int64. None without a training run in progress, or
        if its training set has no single integer label per sample (the log then says why).

    Raises:
        InputError: If the labels do not fit ``num_classes``.
    """
    hub = MessageHub.get_current_instance()
    # Set from before_train to after_train: a run that is over says nothing about this one.
    if hub.get_info('loop_stage') != 'train':
        return None
    counts = (hub.get_info('dataset_meta') or {}).get('class_counts')
    try:
        # As data: a resumed run has this text from its checkpoint.
        loader = read_literal_config(hub.get_info('cfg') or '').get('train_dataloader') or {}
        # Counts of a data set are of distinct images, the loss asks for what is drawn.
        if counts is None or may_repeat_images(loader):
            counts = _counts_of_training_set(loader, num_classes)
    except (TypeError, ValueError) as error:
        message = f'no class counts from the training set of the config: {error}'
        print_log(message, 'current', logging.WARNING)
    if counts is None:
        return None
    counts = check_class_counts(counts)
    if num_classes is not None and len(counts) < num_classes:
        # Classes at the end of the list that have no training image.
        counts = np.pad(counts, (0, num_classes - len(counts)))
    return check_class_counts(counts, num_classes)


def may_repeat_images(loader: Any) -> bool:
    """Whether a loader, or the config of one, has a wrapper that may draw an image several times.

    Of wrappers that are not of this package nothing is known but that.
    """
    return any(
        next(inner_datasets(dataset), None) is not None
        and _name(dataset) not in WRAPPERS_WITHOUT_REPEATS
        for dataset in inner_datasets(loader or {})
    )


def _name(dataset: Any) -> Optional[str]:
    return type_name(dataset) if isinstance(dataset, dict) else type(dataset).__name__


def _counts_of_training_set(loader: dict, num_classes: Optional[int]) -> Optional[np.ndarray]:
    if not loader.get('dataset'):
        return None
    for dataset in inner_datasets(loader):
        if 'pipeline' in dataset:
            dataset['pipeline'] = []
    return count_labels(dataset_labels(DATASETS.build(loader['dataset'])), num_classes)
