"""Bad image files are named; unusual good ones come out as 8-bit colour."""

import io

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import LoadImageFromFile
from PIL import Image

from rcl_mm.datasets import LoadCheckedImage, UnreadableImageError, read_image
from rcl_mm.datasets.loading import SkipCounter, _jpeg_size


def picture(height=48, width=64):
    """A smooth picture with all colours, (H, W, 3) uint8 RGB."""
    small = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def encode(kind, mode='RGB', **options):
    image = Image.fromarray(picture())
    if mode == 'I;16':
        image = Image.fromarray(np.asarray(image.convert('L')).astype(np.uint16) * 257)
    elif mode != 'RGB':
        image = image.convert(mode)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def write(tmp_path):
    def call(content, name='image.jpg'):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return call


class TestReadImage:
    @pytest.mark.parametrize(
        ('kind', 'mode', 'tolerance'),
        [
            ('JPEG', 'RGB', 4),
            ('JPEG', 'L', 4),
            ('JPEG', 'CMYK', 6),
            ('PNG', 'P', 0),
            ('PNG', 'I;16', 1),
            ('PNG', 'RGBA', 0),
            ('PNG', '1', 0),
            ('WEBP', 'RGB', 8),
            ('GIF', 'P', 0),
            ('BMP', 'RGB', 0),
            ('TIFF', 'RGB', 0),
        ],
    )
    def test_all_kinds__are_8_bit_colour(self, write, kind, mode, tolerance):
        content = encode(kind, mode)
        image = read_image(write(content))
        assert image.shape == (48, 64, 3) and image.dtype == np.uint8
        with Image.open(io.BytesIO(content)) as opened:
            if mode == 'I;16':
                opened = Image.fromarray((np.asarray(opened) // 257).astype(np.uint8))
            expected = np.asarray(opened.convert('RGB'))[:, :, ::-1]
        assert np.abs(image.astype(int) - expected).mean() <= tolerance

    @pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP', 'BMP', 'TIFF'])
    @pytest.mark.parametrize('keep', [0.3, 0.7, 0.97])
    def test_cut_short__is_found(self, write, kind, keep):
        """OpenCV 4 reads most of these without a word and fills the rest with grey."""
        content = encode(kind)
        path = write(content[: int(keep * len(content))])
        with pytest.raises(UnreadableImageError, match='image.jpg: .*') as caught:
            read_image(path)
        assert len(str(caught.value).splitlines()) == 1

    @pytest.mark.parametrize(
        ('content', 'message'),
        [
            (b'', 'image.jpg: the file is empty'),
            (b'<html>not found</html>', 'image.jpg: no image that can be decoded'),
            (b'\xff\xd8\xff\xd9', 'image.jpg: no image that can be decoded'),
            (bytes(5000), 'image.jpg: no image that can be decoded'),
        ],
    )
    def test_no_image(self, write, content, message):
        with pytest.raises(UnreadableImageError, match=message):
            read_image(write(content))

    def test_missing(self, tmp_path):
        with pytest.raises(UnreadableImageError, match='none.jpg: No such file or directory'):
            read_image(tmp_path / 'none.jpg')

    def test_folder(self, tmp_path):
        with pytest.raises(UnreadableImageError, match='Is a directory'):
            read_image(tmp_path)

    def test_huge__is_refused_by_its_header(self, write):
        """40,000 x 40,000 grey pixels in 200 kB: a decompression bomb of 4.8 GB."""
        header = bytearray(encode('PNG', 'L'))
        header[16:24] = (40_000).to_bytes(4, 'big') * 2
        with pytest.raises(UnreadableImageError, match=r'40000 x 40000 pixels, allowed are'):
            read_image(write(bytes(header)))

    @pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP', 'GIF', 'BMP', 'TIFF'])
    def test_max_pixels(self, write, kind):
        path = write(encode(kind))
        assert read_image(path, max_pixels=48 * 64).shape == (48, 64, 3)
        with pytest.raises(UnreadableImageError, match='64 x 48 pixels, allowed are 3,071'):
            read_image(path, max_pixels=48 * 64 - 1)

    @pytest.mark.parametrize('options', [{}, dict(progressive=True), dict(exif=bytes(300))])
    def test_size_of_a_jpeg(self, options):
        assert _jpeg_size(encode('JPEG', **options)) == (64, 48)

    def test_size_of_a_jpeg_that_is_none(self):
        assert _jpeg_size(b'\xff\xd8' + bytes(30)) is None

    @pytest.mark.parametrize('kind', ['GIF', 'BMP'])
    def test_huge_inside__is_named(self, write, kind, monkeypatch):
        """Pillow refuses by an error of its own kind."""
        monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)
        with pytest.raises(UnreadableImageError, match='image.jpg: cut short or corrupt .*bomb'):
            read_image(write(encode(kind)))

    def test_bytes_after_the_end__are_no_error(self, write):
        assert read_image(write(encode('JPEG') + bytes(200))).shape == (48, 64, 3)


class TestLoadCheckedImage:
    def test_same_as_the_stock_transform(self, write):
        info = dict(img_path=str(write(encode('JPEG'))), gt_label=3)
        for settings in ({}, dict(to_float32=True), dict(color_type='grayscale')):
            ours = LoadCheckedImage(**settings)(dict(info))
            stock = LoadImageFromFile(**settings)(dict(info))
            assert np.array_equal(ours.pop('img'), stock.pop('img'))
            assert ours == stock

    def test_raise__names_the_path(self, write):
        with pytest.raises(UnreadableImageError, match='image.jpg: the file is empty'):
            LoadCheckedImage()(dict(img_path=str(write(b''))))

    def test_skip__gives_none_and_names_each_file_once(self, write, caplog):
        load = LoadCheckedImage(on_error='skip')
        bad, good = str(write(b'')), str(write(encode('PNG'), 'good.png'))
        with caplog.at_level('WARNING'):
            assert load(dict(img_path=good)) is not None
            assert load(dict(img_path=bad)) is None
            assert load(dict(img_path=bad)) is None
        assert (load.counter.total, load.counter.skipped) == (3, 2)

    def test_too_many_skipped__is_an_error(self, write):
        load = LoadCheckedImage(on_error='skip', max_skipped_share=0.002)
        bad = dict(img_path=str(write(b'')))
        assert load(dict(bad)) is None and load(dict(bad)) is None
        with pytest.raises(UnreadableImageError, match='3 of 3 images so far could not be read'):
            load(dict(bad))

    @pytest.mark.parametrize(
        ('settings', 'message'),
        [
            (dict(on_error='ignore'), "on_error is 'ignore', allowed are 'raise' and 'skip'"),
            (dict(max_skipped_share=2), r'max_skipped_share is 2, allowed is 0\.\.1'),
        ],
    )
    def test_wrong_settings(self, settings, message):
        with pytest.raises(ValueError, match=message):
            LoadCheckedImage(**settings)


class TestSkipCounter:
    def test_workers_count_together(self):
        counter = SkipCounter()

        class Counted(torch.utils.data.Dataset):
            def __len__(self):
                return 20

            def __getitem__(self, index):
                counter.count(skipped=index % 5 == 0)
                return index

        list(torch.utils.data.DataLoader(Counted(), num_workers=2))
        assert (counter.total, counter.skipped) == (20, 4)
        assert not counter.exceeded
