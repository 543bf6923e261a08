"""Tiny data sets in their original formats."""

import hashlib
import pickle

import cv2
import numpy as np
import pytest
from mmpretrain.datasets import CIFAR10, CIFAR100
from small_images import write_cifar_folders


@pytest.fixture
def write_image():
    """Writes a small noise image, with its folders."""

    def _write_image(path, size=8):
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.RandomState(size).randint(0, 256, (size, size, 3), dtype=np.uint8)
        assert cv2.imwrite(str(path), noise)

    return _write_image


def write_batch(path, labels, key, seed):
    """One file as Krizhevsky's: 'data' (N, 3072) uint8 in channel order R, G, B, and the labels."""
    data = np.random.RandomState(seed).randint(0, 256, (len(labels), 3072), dtype=np.uint8)
    path.write_bytes(pickle.dumps({'data': data, key: list(labels)}, protocol=2))
    return data, hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture(params=['cifar10', 'cifar100'])
def cifar_archive(request, tmp_path, monkeypatch):
    """A tiny archive whose checksums stand in for the published ones, so that MMPretrain's
    integrity check runs on it as on the real files."""
    cls, num_classes, key = (
        (CIFAR10, 10, 'labels') if request.param == 'cifar10' else (CIFAR100, 100, 'fine_labels')
    )
    folder = tmp_path / cls.base_folder
    folder.mkdir()
    labels = np.random.RandomState(1).permutation(np.repeat(np.arange(num_classes), 20))
    train_list, images = [], []
    parts = np.array_split(labels, len(cls.train_list))
    for number, ((name, _), part) in enumerate(zip(cls.train_list, parts)):
        data, md5 = write_batch(folder / name, part.tolist(), key, number)
        train_list.append([name, md5])
        images.append(data)
    test_name = cls.test_list[0][0]
    _, md5 = write_batch(folder / test_name, list(range(num_classes)), key, 99)
    monkeypatch.setattr(cls, 'train_list', train_list)
    monkeypatch.setattr(cls, 'test_list', [[test_name, md5]])
    return cls, tmp_path, labels, np.concatenate(images)


@pytest.fixture
def cifar_folders():
    """Writes noise as CIFAR in {train,test}/<class>/*.png."""
    return write_cifar_folders
