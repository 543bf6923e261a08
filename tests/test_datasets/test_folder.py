"""FolderLT: names, counts and splits from folders; filling a config in from them."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import Config
from mmengine.registry import DATASETS

from rcl_mm.datasets import FolderLT, fill_in_folder_data, stratified_split


def write(folder, images_per_class, extension='jpg'):
    for name, number in images_per_class.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(number):
            path = folder / name / f'{i}.{extension}'
            cv2.imwrite(str(path), np.full((4, 4, 3), i, np.uint8))
    return folder


def paths(dataset):
    return [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))]


class TestStratifiedSplit:
    # A busy machine takes longer than hypothesis waits for an example.
    @settings(deadline=None)
    @given(
        counts=st.lists(st.integers(1, 30), min_size=1, max_size=8),
        fraction=st.floats(0.01, 0.99),
        seed=st.integers(0, 5),
    )
    def test_no_class_without_a_training_image(self, counts, fraction, seed):
        labels = np.repeat(np.arange(len(counts)), counts)
        held_out = stratified_split(labels, fraction, seed)
        kept = np.bincount(labels[~held_out], minlength=len(counts))
        assert (kept >= 1).all()
        for label, count in enumerate(counts):
            expected = min(max(1, round(fraction * count)), count - 1)
            assert held_out[labels == label].sum() == expected

    def test_depends_on_the_seed_alone(self):
        labels = np.repeat([0, 1, 2], [20, 10, 5])
        first, again = stratified_split(labels, 0.2), stratified_split(labels, 0.2)
        assert np.array_equal(first, again)
        assert not np.array_equal(first, stratified_split(labels, 0.2, seed=1))

    @pytest.mark.parametrize('fraction', [0, 1, -0.1, 1.5])
    def test_fraction_out_of_range(self, fraction):
        with pytest.raises(ValueError, match='val_fraction is'):
            stratified_split([0, 0, 1], fraction)


class TestFolderLT:
    def test_train_and_val_folders(self, tmp_path):
        write(tmp_path / 'train', {'cat': 5, 'ant': 3, 'big dog': 1})
        write(tmp_path / 'val', {'cat': 2, 'ant': 2, 'big dog': 2})
        train = FolderLT(str(tmp_path), pipeline=[])
        assert train.metainfo['classes'] == ('ant', 'big dog', 'cat')
        assert train.metainfo['class_counts'] == [3, 1, 5]
        assert train.class_counts.tolist() == [3, 1, 5] and train.class_counts.dtype == np.int64
        assert train.get_gt_labels().tolist() == [0] * 3 + [1] + [2] * 5
        val = FolderLT(str(tmp_path), split='val', pipeline=[])
        assert val.class_counts.tolist() == [2, 2, 2]
        assert 'class_counts' not in val.metainfo
        assert all('/val/' in path for path in paths(val))
        assert paths(FolderLT(str(tmp_path), split='test', pipeline=[])) == paths(val)

    def test_test_folder(self, tmp_path):
        write(tmp_path / 'train', dict(a=5, b=3))
        write(tmp_path / 'test', dict(a=1, b=1))
        test = FolderLT(str(tmp_path), split='test', pipeline=[])
        assert all('/test/' in path for path in paths(test)) and len(test) == 2
        # Without a val folder val comes from the training images, with a test folder too.
        assert len(FolderLT(str(tmp_path), split='val', pipeline=[])) == 2

    def test_split_without_a_val_folder(self, tmp_path):
        write(tmp_path, dict(a=10, b=4, c=1))
        train = FolderLT(str(tmp_path), pipeline=[])
        val = FolderLT(str(tmp_path), split='val', pipeline=[])
        assert train.class_counts.tolist() == [8, 3, 1]
        assert val.class_counts.tolist() == [2, 1, 0]
        assert not set(paths(train)) & set(paths(val))
        assert val.metainfo['classes'] == ('a', 'b', 'c')

    def test_deeper_folders_and_extensions(self, tmp_path):
        write(tmp_path / 'train/a', dict(monday=2, tuesday=1), 'PNG')
        write(tmp_path / 'train', dict(b=2), 'webp')
        (tmp_path / 'train/b/notes.txt').write_text('no image')
        (tmp_path / 'train/.cache').mkdir()
        write(tmp_path / 'val', dict(a=1))
        train = FolderLT(str(tmp_path), pipeline=[])
        assert train.class_counts.tolist() == [3, 2]

    def test_loads_images(self, tmp_path):
        write(tmp_path, dict(a=6, b=6))
        pipeline = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
        data = DATASETS.build(
            dict(
                type='FolderLT',
                data_root=str(tmp_path),
                pipeline=[{**step, '_scope_': 'mmpretrain'} for step in pipeline],
            )
        )[0]
        assert data['inputs'].shape == (3, 4, 4) and data['data_samples'].gt_label.item() == 0

    def test_no_folder(self, tmp_path):
        with pytest.raises(FileNotFoundError, match='is no folder: needed are images in data_root'):
            FolderLT(str(tmp_path / 'nowhere'), pipeline=[])

    def test_val_without_train(self, tmp_path):
        write(tmp_path / 'val', dict(a=1, b=1))
        with pytest.raises(FileNotFoundError, match='has val but no train'):
            FolderLT(str(tmp_path), pipeline=[])

    def test_images_without_class_folders(self, tmp_path):
        write(tmp_path, dict(train=3))
        with pytest.raises(ValueError, match=r'has 0 class folder\(s\), at least 2 are needed'):
            FolderLT(str(tmp_path), pipeline=[])

    def test_class_without_images(self, tmp_path):
        write(tmp_path / 'train', dict(a=2, b=2, empty=0))
        with pytest.raises(ValueError, match='empty" has no image'):
            FolderLT(str(tmp_path), pipeline=[])

    def test_class_that_only_val_has(self, tmp_path):
        write(tmp_path / 'train', dict(a=2, b=2))
        write(tmp_path / 'val', dict(a=1, zebra=1))
        with pytest.raises(ValueError, match='zebra" is a class without training images'):
            FolderLT(str(tmp_path), split='val', pipeline=[])

    def test_class_names_of_other_folders(self, tmp_path):
        write(tmp_path / 'train', dict(a=2, b=2))
        with pytest.raises(ValueError, match='leave classes out'):
            FolderLT(str(tmp_path), metainfo=dict(classes=['b', 'a']), pipeline=[])

    def test_unknown_split(self, tmp_path):
        with pytest.raises(ValueError, match="split is 'dev', allowed are train, val, test"):
            FolderLT(str(tmp_path), split='dev', pipeline=[])


class TestFillInFolderData:
    def config(self, **settings):
        return Config(
            dict(
                model=dict(head=dict(type='RCLHead', num_classes='auto')),
                train_dataloader=dict(dataset=dict(type='FolderLT', split='train')),
                val_dataloader=dict(
                    dataset=dict(type='RepeatDataset', dataset=dict(type='FolderLT', split='val'))
                ),
                **settings,
            )
        )

    def test_fills_in(self, tmp_path):
        write(tmp_path, dict(a=2, b=2, c=2))
        cfg = self.config(data_root=str(tmp_path))
        assert fill_in_folder_data(cfg) == 3
        assert cfg.model.head.num_classes == 3
        assert cfg.train_dataloader.dataset.data_root == str(tmp_path)
        assert cfg.val_dataloader.dataset.dataset.data_root == str(tmp_path)

    def test_numbers_and_roots_that_are_given_stay(self, tmp_path):
        write(tmp_path, dict(a=2, b=2, c=2))
        cfg = self.config(data_root='elsewhere')
        cfg.model.head.num_classes = 3
        cfg.train_dataloader.dataset.data_root = str(tmp_path)
        assert fill_in_folder_data(cfg) is None
        assert cfg.train_dataloader.dataset.data_root == str(tmp_path)
        assert cfg.val_dataloader.dataset.dataset.data_root == 'elsewhere'

    def test_nothing_said(self):
        with pytest.raises(ValueError, match='--cfg-options data_root=FOLDER'):
            fill_in_folder_data(self.config())

    def test_other_configs_stay_as_they_are(self):
        cfg = Config(dict(model=dict(head=dict(num_classes=10)), train_dataloader=dict(dataset={})))
        text = cfg.pretty_text
        assert fill_in_folder_data(cfg) is None and cfg.pretty_text == text

    def test_auto_without_folders(self):
        cfg = Config(
            dict(
                model=dict(head=dict(num_classes='auto')),
                train_dataloader=dict(dataset=dict(type='CIFAR10')),
            )
        )
        with pytest.raises(ValueError, match="num_classes='auto' is for configs with FolderLT"):
            fill_in_folder_data(cfg)
