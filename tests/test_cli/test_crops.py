"""Crops that nothing cuts are refused before training."""

import pytest
from mmengine.config import Config

from rcl_mm.cli.crops import check_crops
from rcl_mm.datasets import CropOnDevice
from rcl_mm.models import DeviceCropPreprocessor
from rcl_mm.runtime.errors import UsageError


def config(preprocessor: dict, views: int = 3, kind=None, wrapped: bool = False) -> Config:
    crops = dict(type=kind or 'CropOnDevice', num_views=views)
    dataset = dict(type='FolderLT', pipeline=[dict(type='LoadImageFromFile'), crops])
    if wrapped:
        dataset = dict(type='ConcatDataset', datasets=[dict(type='RepeatDataset', dataset=dataset)])
    return Config(
        dict(train_dataloader=dict(dataset=dataset), model=dict(data_preprocessor=preprocessor))
    )


def cutter(views: int = 3, kind='DeviceCropPreprocessor') -> dict:
    return dict(type=kind, view_augments=[dict(type='SimAugment')] * views)


class TestCheckCrops:
    @pytest.mark.parametrize('kind', [None, CropOnDevice])
    @pytest.mark.parametrize('wrapped', [False, True])
    @pytest.mark.parametrize(
        'preprocessor',
        [{}, dict(type='MultiViewDataPreprocessor'), dict(type='ClsDataPreprocessor')],
    )
    def test_no_cutter(self, preprocessor, wrapped, kind) -> None:
        with pytest.raises(UsageError, match='take DeviceCropPreprocessor'):
            check_crops(config(preprocessor, kind=kind, wrapped=wrapped))

    def test_another_number_of_views(self) -> None:
        with pytest.raises(UsageError, match='num_views=3, and .* has 2 views'):
            check_crops(config(cutter(2)))

    @pytest.mark.parametrize('kind', ['DeviceCropPreprocessor', DeviceCropPreprocessor])
    def test_both_there(self, kind) -> None:
        check_crops(config(cutter(kind=kind)))

    def test_preprocessor_beside_the_model(self) -> None:
        cfg = config(None)
        cfg.data_preprocessor = cutter()
        check_crops(cfg)

    def test_own_pipeline(self) -> None:
        check_crops(config({}, kind='ReproducibleMultiView'))
