"""ImageCheckHook: every data set reads with a check, stock ones too."""

import logging
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmpretrain.datasets import CustomDataset

from rcl_mm.datasets import LoadCheckedImage, LongTailedDataset, UnreadableImageError
from rcl_mm.engine.hooks.image_check import ImageCheckHook


@pytest.fixture
def folder(tmp_path):
    for label, name in enumerate('ab'):
        (tmp_path / name).mkdir()
        for number in range(6):
            image = np.full((8, 8, 3), 40 * number + label, np.uint8)
            cv2.imwrite(str(tmp_path / name / f'{number}.png'), image)
    (tmp_path / 'a' / '2.png').write_bytes(b'')
    return tmp_path


@pytest.fixture
def dataset(folder):
    return CustomDataset(data_prefix=str(folder), pipeline=[dict(type='LoadImageFromFile')])


def runner_of(dataset):
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset))
    return SimpleNamespace(
        train_dataloader=loop.dataloader,
        val_loop=loop,
        test_loop=loop,
        logger=logging.getLogger('test'),
    )


class TestImageCheckHook:
    def test_stock_data_set__names_the_bad_file(self, dataset):
        ImageCheckHook().before_train(runner_of(dataset))
        assert dataset[1]['img'].shape == (8, 8, 3)
        with pytest.raises(UnreadableImageError, match=r'a/2\.png: the file is empty'):
            dataset[2]

    def test_without_it__the_error_has_no_path(self, dataset):
        with pytest.raises(cv2.error) as caught:
            dataset[2]
        assert 'png' not in str(caught.value)

    def test_skip__takes_another_image_and_says_so(self, dataset, caplog):
        hook = ImageCheckHook(on_error='skip')
        hook.before_train(runner_of(dataset))
        images = [dataset[index] for index in range(len(dataset))]
        assert all(image['img'] is not None for image in images)
        with caplog.at_level('WARNING'):
            hook.after_train_epoch(runner_of(dataset))
            hook.after_train_epoch(runner_of(dataset))
        said = [record.message for record in caplog.records if 'were skipped' in record.message]
        # The other image is a random one, perhaps the bad one again.
        skipped = hook._loaders[0].counter.skipped
        assert skipped >= 1
        assert said == [
            f'{skipped} of {12 + skipped} images read in this run were skipped: see above for '
            'their paths'
        ]

    def test_wrapped_data_sets__are_found(self, folder):
        inner = dict(
            type='CustomDataset',
            data_prefix=str(folder),
            pipeline=[dict(type='LoadImageFromFile')],
        )
        dataset = LongTailedDataset(dataset=inner, imbalance_factor=2)
        placed = ImageCheckHook._replace(SimpleNamespace(datasets=[dataset]))
        assert len(placed) == 1 and isinstance(placed[0], LoadCheckedImage)

    @pytest.mark.parametrize('stage', ['before_val', 'before_test'])
    def test_evaluation__never_skips(self, dataset, stage):
        getattr(ImageCheckHook(on_error='skip'), stage)(runner_of(dataset))
        with pytest.raises(UnreadableImageError, match=r'a/2\.png'):
            dataset[2]

    def test_settings_of_the_stock_transform__are_kept(self, folder):
        load = LoadImageFromFile(to_float32=True, color_type='grayscale')
        dataset = SimpleNamespace(pipeline=SimpleNamespace(transforms=[load]))
        (placed,) = ImageCheckHook._replace(SimpleNamespace(dataset=dataset))
        assert dataset.pipeline.transforms == [placed]
        image = placed(dict(img_path=str(folder / 'a/1.png')))['img']
        assert image.shape == (8, 8) and image.dtype == np.float32

    def test_wrong_policy__is_an_error_at_once(self):
        with pytest.raises(ValueError, match="on_error is 'ignore'"):
            ImageCheckHook(on_error='ignore')
