"""Small real images in folders, and tools called in the test process."""

import importlib.util
import itertools
import runpy
import sys
from pathlib import Path
from typing import Sequence

import cv2
import numpy as np
import pytest
from mmengine.registry import DefaultScope
from mmpretrain.datasets.categories import CIFAR10_CATEGORIES, CIFAR100_CATEGORIES
from sklearn.datasets import load_digits

import rcl_mm  # noqa: F401  (registers)

REPOSITORY = Path(__file__).resolve().parents[1]
MMPRETRAIN_CONFIGS = Path(importlib.util.find_spec('mmpretrain').origin).parent / '.mim/configs'
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """Undo what the tools set in the environment and in MMEngine's default scope."""
    for name in ('TORCH_FORCE_WEIGHTS_ONLY_LOAD', 'LOCAL_RANK', 'RCL_MM_TRACEBACK'):
        monkeypatch.delenv(name, raising=False)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        yield


def write_digits(folder: Path, images_per_class: dict, size=(40, 36)) -> Path:
    """JPEG files of real handwritten digits: {'a': 5} writes a/0.jpg to a/4.jpg."""
    digits = load_digits()
    for digit, (name, number) in enumerate(images_per_class.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i, index in enumerate(np.flatnonzero(digits.target == digit)[:number]):
            image = cv2.resize((digits.images[index] * 15).astype(np.uint8), size)
            cv2.imwrite(str(folder / name / f'{i}.jpg'), np.repeat(image[..., None], 3, 2))
    return folder


def write_cifar_folders(root: Path, num_classes: int, counts: Sequence[int], test: int) -> Path:
    """Noise in the layout of CIFAR, root/{train,test}/<class>/0.png ..., brighter by class."""
    random = np.random.RandomState(0)
    categories = CIFAR10_CATEGORIES if num_classes == 10 else CIFAR100_CATEGORIES
    for label, name in enumerate(categories):
        for split, number in (('train', counts[label]), ('test', test)):
            (root / split / name).mkdir(parents=True)
            for i in range(number):
                image = random.randint(0, 128, (32, 32, 3), dtype=np.uint8)
                cv2.imwrite(str(root / split / name / f'{i}.png'), image + label)
    return root


@pytest.fixture
def digits_folder(tmp_path):
    """A long tail of 8, 4, 2 and 1 images, without a val folder."""
    return write_digits(tmp_path / 'data/my_images', dict(a=8, b=4, c=2, d=1))


@pytest.fixture
def run_tool(capsys):
    """``run_tool('tools/train.py', ...)`` -> exit code; an experiment name of its own each time."""

    def call(script, *arguments):
        arguments = [str(one) for one in arguments]
        if Path(script).name == 'train.py':
            if '--cfg-options' not in arguments:
                arguments.append('--cfg-options')
            arguments.append(f'experiment_name=drop_in{next(_numbers)}')
        before, sys.argv = sys.argv, [str(script), *arguments]
        try:
            runpy.run_path(str(REPOSITORY / script), run_name='__main__')
        except SystemExit as end:
            return end.code or 0
        finally:
            sys.argv = before
        return 0

    return call
