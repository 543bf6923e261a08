"""Data sets, samplers and transforms for long-tailed training."""

from .augmentations import (
    RandomColorJitter,
    RandomCutout,
    TimmRandAugment,
    TorchvisionAutoAugment,
)
from .benchmarks import ImageNetLT, INaturalist2018, PlacesLT
from .checked_loading import LoadCheckedImage, UnreadableImageError, read_image
from .digits import DigitsLT
from .draws import DrawIndex, sample_draws, uniforms
from .fast_packing import PackFast, fast_collate
from .fast_transforms import CropOnDevice, FastMultiView
from .folder import FolderLT, stratified_split
from .folder_config import fill_in_folder_data
from .image_check_hook import ImageCheckHook
from .image_lists import read_image_list, scan_image_list
from .long_tailed import LongTailedDataset, long_tailed_counts, select_long_tailed
from .resident import ResidentDataset, resident_collate
from .samplers import ReproducibleSampler
from .transforms import ReproducibleMultiView, ReproducibleView

__all__ = [
    'CropOnDevice',
    'DigitsLT',
    'DrawIndex',
    'FolderLT',
    'FastMultiView',
    'INaturalist2018',
    'ImageCheckHook',
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
    'sample_draws',
    'scan_image_list',
    'select_long_tailed',
    'stratified_split',
    'uniforms',
]
