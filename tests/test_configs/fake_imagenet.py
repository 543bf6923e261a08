"""A tiny ImageNet-LT on disk: crops of two real photographs as JPEGs, with the standard lists."""

from pathlib import Path
from typing import Dict, List

import cv2
from sklearn.datasets import load_sample_images

LABELS: Dict[str, List[int]] = {
    'train': [0] * 5 + [1] * 3 + [2] * 2 + [999],
    'val': [0, 1, 2, 999],
    'test': [0, 0, 1, 1, 2, 2, 999, 999],
}


def write_fake_imagenet_lt(root: Path) -> Path:
    """Write the images and the three lists below ``root``; returns it."""
    photos = load_sample_images().images
    number = 0
    for split, labels in LABELS.items():
        lines = []
        for label in labels:
            photo = photos[label % len(photos)]
            top, left = 11 * number % 300, 17 * number % 500
            path = f'{split}/n{label:08d}/{number:04d}.JPEG'
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            crop = photo[top : top + 90 + number, left : left + 120]
            if not cv2.imwrite(str(root / path), crop[..., ::-1]):
                raise OSError(f'{root / path} can not be written')
            lines.append(f'{path} {label}\n')
            number += 1
        folder = root / 'ImageNet_LT'
        folder.mkdir(exist_ok=True)
        (folder / f'ImageNet_LT_{split}.txt').write_text(''.join(lines))
    return root
