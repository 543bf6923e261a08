"""Bad images and lists, through the tools: named in one line, or skipped and counted."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

CLASSES = ('bird', 'cat', 'dog')
DATA = """
view = [dict(type='RandomResizedCrop', scale=32), dict(type='RandomFlip', prob=0.5)]
loading = [dict(type='LoadImageFromFile')]
views = [dict(type='ReproducibleMultiView', transforms=[view], num_views=[2]),
         dict(type='PackInputs')]
one_view = [dict(type='Resize', scale=(32, 32)), dict(type='PackInputs')]
images = dict(_delete_=True, type='ImageNetLT', data_root='images', classes={classes!r})
train_dataloader = dict(
    batch_size=4, dataset=dict(**images, ann_file='train.txt', pipeline=loading + views))
val_dataloader = dict(
    batch_size=4,
    dataset=dict(**images, split='val', ann_file='val.txt', pipeline=loading + one_view))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=1)
"""


def encoded(kind='JPEG', mode='RGB', seed=0):
    small = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    image = Image.fromarray(cv2.resize(small, (40, 30), interpolation=cv2.INTER_CUBIC))
    if mode == 'I;16':
        image = Image.fromarray(np.asarray(image.convert('L')).astype(np.uint16) * 257)
    else:
        image = image.convert(mode)
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


@pytest.fixture
def data(project, monkeypatch):
    """Nine images of three classes with their lists; paths in the config are relative."""
    monkeypatch.chdir(project)
    (project / 'images').mkdir()
    names = [f'{number}.jpg' for number in range(9)]
    for number, name in enumerate(names):
        (project / 'images' / name).write_bytes(encoded(seed=number))
    lines = [f'{name} {number % 3}' for number, name in enumerate(names)]
    for name in ('train.txt', 'val.txt'):
        (project / 'images' / name).write_text('\n'.join(lines) + '\n')
    config = (project / 'config.py').read_text()
    (project / 'config.py').write_text(
        config.replace('head=dict(in_channels=16)', 'head=dict(in_channels=16, num_classes=3)')
        .replace('    dataset=dict(img_max=16, imbalance_factor=6, serialize_data=False),\n', '')
        .replace('dict(indices=40, serialize_data=False)', 'dict()')
        + DATA.format(classes=list(CLASSES))
    )
    return project / 'images'


def train_list(data, *lines, ending='\n', start=''):
    (data / 'train.txt').write_bytes((start + ending.join(lines) + ending).encode())


class TestImages:
    def test_unusual_kinds__are_trained_on(self, train, data):
        kinds = [
            ('JPEG', 'L'), ('JPEG', 'CMYK'), ('PNG', 'I;16'), ('PNG', 'P'), ('PNG', 'RGBA'),
            ('GIF', 'P'), ('WEBP', 'RGB'), ('BMP', 'RGB'),
        ]  # fmt: skip
        for number, (kind, mode) in enumerate(kinds):
            (data / f'{number}.jpg').write_bytes(encoded(kind, mode))
        assert train('work') == 0

    @pytest.mark.parametrize(
        ('content', 'message'),
        [
            (b'', 'the file is empty'),
            (encoded()[:-100], 'cut short or corrupt'),
            (b'no image', 'no image that can be decoded'),
            (None, 'No such file or directory'),
        ],
    )
    def test_unreadable__is_named_in_one_line(self, train, data, capsys, content, message):
        if content is None:
            (data / '4.jpg').unlink()
        else:
            (data / '4.jpg').write_bytes(content)
        assert train('work', 'train_dataloader.num_workers=1') == 1
        error = capsys.readouterr().err
        assert f'error: images/4.jpg: {message}' in error
        assert 'Traceback' not in error

    def test_huge__is_refused(self, train, data, capsys):
        content = bytearray(encoded('PNG', 'L'))
        content[16:24] = (50_000).to_bytes(4, 'big') * 2
        (data / '4.jpg').write_bytes(content)
        assert train('work') == 1
        assert 'images/4.jpg: 50000 x 50000 pixels, allowed are' in capsys.readouterr().err

    def test_skipped__counted_and_logged(self, train, data, project):
        (data / '4.jpg').write_bytes(b'')
        with open(project / 'config.py', 'a') as config:
            config.write("custom_hooks = [dict(type='ImageCheckHook', on_error='skip')]\n")
        (data / 'val.txt').write_text('0.jpg 0\n')
        assert train('work') == 0
        log = next((project / 'work').glob('*/*.log')).read_text()
        assert 'skipped images/4.jpg: the file is empty (1 of' in log
        assert 'images read in this run were skipped' in log


class TestLists:
    def test_bom_crlf_and_blank_lines__are_fine(self, train, data):
        train_list(data, '0.jpg 0', '', '1.jpg 1', '2.jpg 2', ending='\r\n', start='\ufeff')
        assert train('work') == 0

    @pytest.mark.parametrize(
        ('line', 'message'),
        [
            ('3.jpg', 'train.txt, line 4: "3.jpg" is not "relative/path label"'),
            ('3.jpg 3', 'label 3 of "3.jpg" is out of range, allowed is 0..2'),
            ('0.jpg 1', '"0.jpg" is there already, in line 1'),
            ('/etc/passwd 0', '"/etc/passwd" leaves the data root'),
        ],
    )
    def test_bad_line__is_named(self, train, data, capsys, line, message):
        train_list(data, '0.jpg 0', '1.jpg 1', '2.jpg 2', line)
        assert train('work') == 1
        error = capsys.readouterr().err
        assert message in error and 'Traceback' not in error

    def test_empty_list(self, train, data, capsys):
        train_list(data, '', '')
        assert train('work') == 1
        assert 'train.txt is empty' in capsys.readouterr().err

    def test_no_list(self, train, data, capsys):
        (data / 'train.txt').unlink()
        assert train('work') == 1
        assert 'train.txt' in capsys.readouterr().err

    def test_no_data_folder(self, train, data, capsys):
        assert train('work', 'train_dataloader.dataset.data_root=/no/such/folder') == 1
        assert '/no/such/folder' in capsys.readouterr().err


class TestUnusualClassesAndBatches:
    def test_class_without_an_image(self, train, data):
        train_list(data, '0.jpg 0', '2.jpg 2', '3.jpg 0', '5.jpg 2')
        assert train('work') == 0

    def test_last_batch_of_one_image(self, train, data):
        train_list(data, '0.jpg 0', '1.jpg 1', '2.jpg 2', '3.jpg 0', '4.jpg 1')
        assert train('work') == 0

    def test_every_class_once_in_a_batch(self, train, data):
        train_list(data, '0.jpg 0', '1.jpg 1', '2.jpg 2')
        assert train('work') == 0

    def test_one_image_in_all(self, train, data):
        train_list(data, '0.jpg 0')
        assert train('work') == 0
