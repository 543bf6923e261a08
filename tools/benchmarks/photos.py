"""JPEG files to load in benchmarks."""

import io
from pathlib import Path
from typing import List, Tuple

import numpy as np
from PIL import Image


def real_photos(size: Tuple[int, int] = (500, 375), quality: int = 95) -> List[bytes]:
    """scikit-learn's two photographs, as they are and mirrored; four files of 50 to 95 KB."""
    from sklearn.datasets import load_sample_images

    files = []
    for photo in load_sample_images().images:
        for image in (photo, photo[:, ::-1]):
            resized = Image.fromarray(np.ascontiguousarray(image)).resize(size, Image.BICUBIC)
            files.append(_encode(resized, quality))
    return files


def synthetic_photos(
    number: int, size: Tuple[int, int] = (500, 375), quality: int = 95
) -> List[bytes]:
    """Noise with the spectrum of natural images, 1 / frequency: files of about 100 KB."""
    random = np.random.default_rng(0)
    width, height = size
    frequency = np.hypot(
        np.fft.fftfreq(height)[:, None] * height, np.fft.rfftfreq(width)[None] * width
    )
    amplitude = 1 / np.maximum(frequency, 1) ** 1.2
    files = []
    for _ in range(number):
        noise = np.fft.rfft2(random.standard_normal((height, width, 3)), axes=(0, 1))
        image = np.fft.irfft2(noise * amplitude[..., None], s=(height, width), axes=(0, 1))
        # Colours of a photograph go together.
        image = 0.7 * image.mean(2, keepdims=True) + 0.3 * image
        image = 120 + 55 * image / image.std()
        files.append(_encode(Image.fromarray(image.clip(0, 255).astype(np.uint8)), quality))
    return files


def write_files(files: List[bytes], folder: str) -> List[str]:
    """The paths of the files, written into the folder."""
    paths = []
    for number, content in enumerate(files):
        path = Path(folder) / f'{number:05d}.jpg'
        path.write_bytes(content)
        paths.append(str(path))
    return paths


def _encode(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, 'JPEG', quality=quality)
    return buffer.getvalue()
