"""What is read as a split, a class and an image, and what is said of the rest."""

import os

import cv2
import numpy as np
import pytest
from PIL import Image, features

from rcl_mm.datasets import FolderLT
from rcl_mm.datasets.image_folders import (
    PassedOver,
    class_names,
    find_image_folders,
    image_extensions,
    images_below,
)
from rcl_mm.datasets.loading import read_image


def write(folder, **images_per_class):
    for name, number in images_per_class.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(number):
            cv2.imwrite(str(folder / name / f'{i}.png'), np.full((4, 4, 3), i, np.uint8))
    return folder


def counts(root, split='train', **settings):
    data = FolderLT(str(root), split=split, pipeline=[], **settings)
    return dict(zip(data.metainfo['classes'], data.class_counts.tolist()))


class TestFindImageFolders:
    @pytest.mark.parametrize('train', ['train', 'Train', 'TRAINING', 'training_set', 'Train Data'])
    @pytest.mark.parametrize('val', ['val', 'Valid', 'validation', 'dev', 'val-images'])
    def test_names_of_splits(self, tmp_path, train, val):
        write(tmp_path / train, cat=5, dog=3)
        write(tmp_path / val, cat=2, dog=2)
        assert counts(tmp_path) == dict(cat=5, dog=3)
        assert counts(tmp_path, 'val') == dict(cat=2, dog=2)

    @pytest.mark.parametrize('test', ['test', 'Test', 'TEST'])
    def test_test_folder__beside_a_val_folder_and_without(self, tmp_path, test):
        write(tmp_path / 'Train', cat=5, dog=5)
        write(tmp_path / test, cat=2, dog=1)
        assert counts(tmp_path, 'test') == dict(cat=2, dog=1)
        assert counts(tmp_path, 'val') == dict(cat=1, dog=1)
        write(tmp_path / 'valid', cat=3, dog=3)
        assert counts(tmp_path, 'test') == dict(cat=2, dog=1)
        assert counts(tmp_path, 'val') == dict(cat=3, dog=3)

    @pytest.mark.parametrize('test', ['Testing', 'test_set'])
    def test_test_folder_of_another_name__asks_what_it_is_for(self, tmp_path, test):
        write(tmp_path / 'Training', cat=5, dog=5)
        write(tmp_path / test, cat=2, dog=1)
        with pytest.raises(ValueError, match=f'has {test} but no val: call it val'):
            find_image_folders(str(tmp_path))
        write(tmp_path / 'val', cat=1, dog=1)
        assert counts(tmp_path, 'test') == dict(cat=2, dog=1)

    def test_two_folders_for_one_split__refused(self, tmp_path):
        for name in ('train', 'val', 'validation'):
            write(tmp_path / name, cat=2, dog=2)
        with pytest.raises(ValueError, match='has 2 folders for val, val and validation'):
            find_image_folders(str(tmp_path))

    @pytest.mark.parametrize('name', ['train', 'Test', 'val', 'dev', 'training'])
    def test_class_with_the_name_of_a_split(self, tmp_path, name):
        write(tmp_path, bus=6, **{name: 4})
        assert find_image_folders(str(tmp_path)).classes == sorted(['bus', name])

    def test_class_with_the_name_of_a_split__with_folders_inside(self, tmp_path):
        write(tmp_path, bus=6, car=6)
        write(tmp_path / 'train', day=4, night=4)
        assert find_image_folders(str(tmp_path)).classes == ['bus', 'car', 'train']

    def test_class_of_a_split__in_a_split(self, tmp_path):
        write(tmp_path / 'train', bus=2, train=2, val=2)
        assert find_image_folders(str(tmp_path)).classes == ['bus', 'train', 'val']

    def test_both_ways__asks(self, tmp_path):
        write(tmp_path / 'train', cat=4, dog=4)
        write(tmp_path, unlabelled=9)
        with pytest.raises(ValueError, match='train" may be a split or a class.*unlabelled"'):
            find_image_folders(str(tmp_path))
        assert counts(tmp_path, split_folders=True) == dict(cat=3, dog=3)
        assert counts(tmp_path, split_folders=False).keys() == {'train', 'unlabelled'}

    def test_other_folders__are_named(self, tmp_path):
        for name in ('train', 'val'):
            write(tmp_path / name, cat=2, dog=2)
        write(tmp_path, unlabelled=9, more=9)
        (tmp_path / 'labels').mkdir()
        found = find_image_folders(str(tmp_path))
        assert found.splits.keys() == {'train', 'val'}
        for name in ('labels', 'more', 'unlabelled'):
            assert f'{name} (beside the split folders)' in str(found.passed_over)


class TestClassNames:
    @pytest.mark.parametrize('name', ['_background', '__other', 'a b', '#1', '@home', 'Ümlaut'])
    def test_classes(self, tmp_path, name):
        write(tmp_path, cat=1, **{name: 1})
        assert class_names(str(tmp_path)) == sorted(['cat', name])

    @pytest.mark.parametrize(
        'name', ['.cache', '.ipynb_checkpoints', '@eaDir', '__MACOSX', '#recycle', '__pycache__']
    )
    def test_made_by_systems__passed_over_and_named(self, tmp_path, name):
        write(tmp_path, cat=1, **{name: 3})
        write(tmp_path / 'cat', **{name: 3})
        passed_over = PassedOver(str(tmp_path))
        assert class_names(str(tmp_path), passed_over) == ['cat']
        assert images_below(str(tmp_path / 'cat'), passed_over) == ['0.png']
        assert f'{name} (hidden' in str(passed_over) and f'cat/{name} (hidden' in str(passed_over)

    def test_link_to_another_class__is_none(self, tmp_path):
        write(tmp_path, cat=1, dog=1)
        (tmp_path / 'pet').symlink_to('cat')
        (tmp_path / 'all').symlink_to('.')
        assert class_names(str(tmp_path)) == ['cat', 'dog']


class TestImagesBelow:
    @pytest.mark.parametrize('target', ['.', '..', '../..', '../dog', 'deeper'])
    def test_links_to_what_is_read_in_its_own_place(self, tmp_path, target):
        write(tmp_path / 'train', cat=3, dog=4)
        write(tmp_path / 'train/cat', deeper=2)
        (tmp_path / 'train/cat/latest').symlink_to(target)
        assert counts(tmp_path, val_fraction=0.01) == dict(cat=4, dog=3)

    def test_links_to_other_places__are_read_once(self, tmp_path):
        write(tmp_path / 'store', a=2)
        write(tmp_path / 'train', cat=1)
        for name in ('one', 'two'):
            (tmp_path / 'train/cat' / name).symlink_to(tmp_path / 'store')
            (tmp_path / 'train/cat' / f'{name}.png').symlink_to(tmp_path / 'store/a/0.png')
        passed_over = PassedOver(str(tmp_path))
        found = images_below(str(tmp_path / 'train/cat'), passed_over)
        assert found == ['0.png', 'one.png', 'one/a/0.png', 'one/a/1.png']
        assert str(passed_over).count('a link to what is read in its own place') == 2

    def test_class_folder_that_is_a_link(self, tmp_path):
        write(tmp_path / 'store', cat=5)
        write(tmp_path / 'train', dog=5)
        (tmp_path / 'train/cat').symlink_to(tmp_path / 'store/cat')
        assert counts(tmp_path) == dict(cat=4, dog=4)

    def test_broken_link__stays_for_the_check_to_name(self, tmp_path):
        write(tmp_path, cat=1)
        (tmp_path / 'cat/gone.png').symlink_to(tmp_path / 'nowhere.png')
        assert images_below(str(tmp_path / 'cat')) == ['0.png', 'gone.png']

    def test_files_that_are_no_images__are_counted_by_kind(self, tmp_path):
        write(tmp_path, cat=1)
        for name in ('a.heic', 'b.HEIC', 'c.txt', 'README', '.DS_Store', '._0.png'):
            (tmp_path / 'cat' / name).write_bytes(b'x')
        passed_over = PassedOver(str(tmp_path))
        assert images_below(str(tmp_path / 'cat'), passed_over) == ['0.png']
        assert '(2 .heic, 1 no ending, 1 .txt)' in str(passed_over)
        assert 'DS_Store' not in str(passed_over)

    def test_nothing_passed_over__nothing_to_say(self, tmp_path):
        passed_over = PassedOver(str(tmp_path))
        images_below(str(write(tmp_path, cat=1)), passed_over)
        assert str(passed_over) == ''


class TestExtensions:
    @pytest.mark.parametrize('extension', image_extensions())
    def test_every_one__is_read_as_training_does(self, tmp_path, extension):
        form = Image.registered_extensions()[extension]
        if form not in Image.SAVE:  # Sun raster: OpenCV writes it.
            path = tmp_path / f'image{extension}'
            assert cv2.imwrite(str(path), np.full((8, 8, 3), 9, np.uint8))
        else:
            path = tmp_path / f'image{extension.upper()}'
            Image.new('RGB', (8, 8), (200, 100, 50)).save(path, format=form)
        assert read_image(path).shape == (8, 8, 3)

    def test_usual_ones(self):
        usual = {'.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.bmp', '.webp', '.tif'}
        assert usual <= {*image_extensions()}

    def test_what_opencv_can_not_read(self):
        assert not {'.heic', '.psd', '.tga', '.pdf', '.eps', '.ico', '.mpg'} & {*image_extensions()}
        assert features.check('jpg')


class TestSeenByTheTools:
    def test_log_names_what_is_passed_over(self, tmp_path, monkeypatch):
        said = []
        logger = type('Logger', (), {'info': lambda _, text: said.append(text)})()
        monkeypatch.setattr('mmengine.logging.MMLogger.get_current_instance', lambda: logger)
        write(tmp_path / 'train', cat=3, dog=3)
        os.rename(tmp_path / 'train/cat/0.png', tmp_path / 'train/cat/0.heic')
        counts(tmp_path)
        assert said == [
            f'FolderLT train: passed over in "{tmp_path}/train": files that are no images to '
            'OpenCV here (1 .heic)'
        ]
