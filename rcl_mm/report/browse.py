"""Drawing what a config's network is trained on: each image and its augmented views."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Union

import matplotlib
import mmcv
import numpy as np
import torch
from matplotlib.figure import Figure
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS, MODELS

from rcl_mm.augment.draws import DrawIndex, sample_draws
from rcl_mm.class_counts import dataset_labels
from rcl_mm.datasets.distinct_images import distinct_samples
from rcl_mm.errors import InputError
from rcl_mm.report.figure_style import STYLE, figure_png
from rcl_mm.report.fonts import printable, shorten
from rcl_mm.runtime.files import replacing


@dataclass
class ViewedImage:
    """One training image.

    Attributes:
        title (str): Class name and index.
        original (np.ndarray, optional): RGB, (H, W, 3) uint8; None if it could not be found.
        views (np.ndarray): As the network gets them before normalisation, RGB, (V, h, w, 3) uint8.
    """

    title: str
    original: Optional[np.ndarray]
    views: np.ndarray


def _original(dataset, index: int, to_rgb: bool) -> Optional[np.ndarray]:
    info = dataset.get_data_info(index) if hasattr(dataset, 'get_data_info') else {}
    if 'img' in info:
        img = np.asarray(info['img'])
        return img[..., ::-1] if to_rgb else img
    if 'img_path' in info:
        return mmcv.imread(info['img_path'], channel_order='rgb')
    return None


def head_to_tail(labels: np.ndarray, num_images: int) -> np.ndarray:
    """Indices of images whose classes run evenly from the largest to the smallest.

    Args:
        labels (np.ndarray): Labels of the data set, shape (N, ).
        num_images (int): Images; beyond the number of classes several of a class. Fewer come back
            if there are not as many.
    """
    counts = np.bincount(labels)
    classes = np.argsort(-counts, kind='stable')[: np.count_nonzero(counts)]
    chosen = classes[np.linspace(0, len(classes) - 1, num_images).round().astype(int)]
    indices = []
    for rank, label in enumerate(chosen):
        earlier = int((chosen[:rank] == label).sum())
        indices += np.flatnonzero(labels == label)[earlier : earlier + 1].tolist()
    return np.asarray(indices, dtype=np.int64)


def training_views(cfg: Config, num_images: int = 6, epoch: int = 0) -> List[ViewedImage]:
    """Run a config's training pipeline and preprocessor on images from head to tail.

    The draws are those that ``ReproducibleSampler`` gives the images in the epoch, so with the
    seed of a run these are the very views that it trains on. Augmentation on the device
    (``view_augments``) is included.

    Args:
        cfg (Config): A whole config.
        num_images (int): Images N. Defaults to 6.
        epoch (int): Epoch of the draws. Defaults to 0.

    Raises:
        InputError: If the config has no training set, or the numbers are out of range.
    """
    if num_images < 1 or epoch < 0:
        raise InputError(f'{num_images} images of epoch {epoch}: allowed are >= 1 and >= 0')
    if cfg.get('train_dataloader') is None or cfg.get('model') is None:
        raise InputError(f'{cfg.filename} has no train_dataloader or no model: give a whole config')
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    preprocessor_cfg = copy.deepcopy(
        cfg.model.get('data_preprocessor') or cfg.get('data_preprocessor') or {}
    )
    preprocessor_cfg.setdefault('type', 'ClsDataPreprocessor')
    preprocessor = MODELS.build(preprocessor_cfg)

    loader_cfg = copy.deepcopy(cfg.train_dataloader)
    dataset = DATASETS.build(loader_cfg['dataset'])
    seed = (cfg.get('randomness') or {}).get('seed') or 0
    labels = dataset_labels(dataset)
    distinct = distinct_samples(dataset, labels)
    indices = distinct[head_to_tail(labels[distinct], num_images)]
    draws = sample_draws(seed, epoch, indices)
    for key in ('prefetch_factor', 'batch_sampler', 'worker_init_fn'):
        loader_cfg.pop(key, None)
    loader_cfg.update(
        dataset=dataset,
        # One batch, in this process, of the chosen samples.
        sampler=[DrawIndex(i, draw) for i, draw in zip(indices.tolist(), draws.tolist())],
        batch_size=len(indices),
        num_workers=0,
        persistent_workers=False,
        drop_last=False,
    )
    batch = next(iter(Runner.build_dataloader(loader_cfg, seed=seed)))
    with torch.no_grad():
        inputs = preprocessor(batch, training=True)['inputs'].float().cpu()
    if getattr(preprocessor, '_enable_normalize', False):
        inputs = inputs * preprocessor.std.cpu() + preprocessor.mean.cpu()
    # View-major rows, (V * N, 3, h, w), to (N, V, h, w, 3).
    views = inputs.unflatten(0, (-1, len(indices))).permute(1, 0, 3, 4, 2)
    views = views.round().clamp(0, 255).to(torch.uint8).numpy()
    classes = (getattr(dataset, 'metainfo', None) or {}).get('classes')
    labels = [int(sample.gt_label) for sample in batch['data_samples']]
    to_rgb = bool(preprocessor_cfg.get('to_rgb', False))
    return [
        ViewedImage(
            f'{shorten(printable(str(classes[label])), 24) if classes else label} (image {index})',
            _original(dataset, int(index), to_rgb),
            own,
        )
        for index, label, own in zip(indices, labels, views)
    ]


def draw_views(images: List[ViewedImage], output: Union[str, Path]) -> None:
    """Draw one row per image, its views beside it, to a PNG.

    Raises:
        InputError: If the file's name does not end in .png.
        OSError: If it can not be written.
    """
    output = Path(output)
    if output.suffix.lower() != '.png':
        raise InputError(f'{output} is no PNG: give a name that ends in .png')
    columns = 1 + len(images[0].views)
    with matplotlib.rc_context(STYLE):
        size = (1.8 * columns, 2.0 * len(images))
        figure = Figure(figsize=size, dpi=120, layout='constrained')
        axes = figure.subplots(len(images), columns, squeeze=False)
        for row, image in zip(axes, images):
            for column, axis in enumerate(row):
                axis.set_axis_off()
                picture = image.original if column == 0 else image.views[column - 1]
                if picture is not None:
                    axis.imshow(picture, interpolation='nearest')
                title = image.title if column == 0 else f'view {column - 1}'
                axis.set_title(title, fontsize=7)
        png = figure_png(figure, f'{len(images)} training images, each with its views')
    with replacing(output) as unfinished:
        unfinished.write_bytes(png)
