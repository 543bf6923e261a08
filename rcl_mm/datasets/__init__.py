"""Data sets, samplers and transforms for long-tailed training."""

from rcl_mm.datasets.augmentations import (
    RandomColorJitter,
    RandomCutout,
    TimmRandAugment,
    TorchvisionAutoAugment,
)
from rcl_mm.datasets.benchmarks import ImageNetLT, INaturalist2018, PlacesLT
from rcl_mm.datasets.cifar_lt import CIFARLT
from rcl_mm.datasets.crop_on_device import CropOnDevice, PackFast, fast_collate
from rcl_mm.datasets.digits import DigitsLT
from rcl_mm.datasets.folder import FolderLT, stratified_split
from rcl_mm.datasets.folder_config import fill_in_folder_data
from rcl_mm.datasets.image_lists import read_image_list, scan_image_list
from rcl_mm.datasets.loading import LoadCheckedImage, UnreadableImageError, read_image
from rcl_mm.datasets.long_tailed import LongTailedDataset, long_tailed_counts, select_long_tailed
from rcl_mm.datasets.resident import ResidentDataset, resident_collate
from rcl_mm.datasets.samplers import ReproducibleSampler
from rcl_mm.datasets.transforms import ReproducibleMultiView, ReproducibleView

__all__ = [
    'CIFARLT',
    'CropOnDevice',
    'DigitsLT',
    'FolderLT',
    'INaturalist2018',
    'ImageNetLT',
    'LoadCheckedImage',
    'LongTailedDataset',
    'PackFast',
    'PlacesLT',
    'RandomColorJitter',
    'RandomCutout',
    'ReproducibleMultiView',
    'ReproducibleSampler',
    'ReproducibleView',
    'ResidentDataset',
    'TimmRandAugment',
    'TorchvisionAutoAugment',
    'UnreadableImageError',
    'fill_in_folder_data',
    'fast_collate',
    'long_tailed_counts',
    'read_image',
    'read_image_list',
    'resident_collate',
    'scan_image_list',
    'select_long_tailed',
    'stratified_split',
]
