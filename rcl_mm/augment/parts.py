"""Parts that several device augmentations share: colour jitter, and AutoAugment's operations."""

from typing import Dict, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor

from rcl_mm.augment import ops, params, policies
from rcl_mm.errors import InputError


def copy_without_waiting(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the host on the device, through pinned memory, while the host goes on."""
    if device.type == 'cuda':
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def to_device(arrays: Dict[str, np.ndarray], device: torch.device) -> Dict[str, Tensor]:
    """Arrays as float32 or int64 tensors on the device, in one copy for each of the two types."""
    result = {}
    for kind, dtype in (('f', np.float32), ('i', np.int64)):
        chosen = {k: a for k, a in arrays.items() if (a.dtype.kind == 'f') == (kind == 'f')}
        if not chosen:
            continue
        flat = torch.from_numpy(np.concatenate([a.ravel() for a in chosen.values()], dtype=dtype))
        parts = copy_without_waiting(flat, device).split([a.size for a in chosen.values()])
        result.update({k: part.view(a.shape) for (k, a), part in zip(chosen.items(), parts)})
    return result


class ColorJitterPart:
    """ColorJitter and RandomGrayscale, a part of several views."""

    def __init__(self, strengths: Sequence[float], prob: float, gray_prob: float) -> None:
        if len(strengths) != 4 or min(strengths) < 0 or strengths[3] > 0.5:
            raise InputError(
                f'jitter is {strengths}, allowed are four numbers >= 0 (brightness, contrast, '
                'saturation, hue), the hue at most 0.5'
            )
        self.strengths, self.prob, self.gray_prob = tuple(strengths), prob, gray_prob

    def sample(self, u: np.ndarray) -> Dict[str, np.ndarray]:
        scale, of_mean, shift, to_gray = params.color_jitter_steps(
            u, *self.strengths, self.prob, self.gray_prob
        )
        luma = np.tile(params.LUMA, (3, 1))
        gray = np.where(to_gray[:, None, None], luma, np.eye(3))
        return dict(scale=scale, of_mean=of_mean, shift=shift, gray=gray)

    def augment(
        self, images: Tensor, p: Dict[str, Tensor], batch_size: Optional[int] = None
    ) -> Tensor:
        steps = (p['scale'], p['of_mean'], p['shift'], p['gray'])
        return ops.color_jitter(images, *steps, batch_size)


class OperationsPart:
    """A sequence of AutoAugment's operations, each on the samples that drew it."""

    def __init__(self, fill: Sequence[float], mode: str) -> None:
        self.fill, self.mode = tuple(fill), mode

    def sample(
        self, operation: np.ndarray, value: np.ndarray, height: int, width: int
    ) -> Dict[str, np.ndarray]:
        """Who needs what: indices and parameters by '<slot>/<kind>/<name>'."""
        arrays = {}
        for slot, (code, val) in enumerate(zip(operation.T, value.T)):

            def add(kind: str, names: Sequence[str], slot=slot, code=code, **values) -> None:
                index = np.flatnonzero(policies.is_in(code, names))
                if len(index):
                    arrays[f'{slot}/{kind}/index'] = index
                    for name, array in values.items():
                        arrays[f'{slot}/{kind}/{name}'] = array[index]

            def of(name: str, default: float, code=code, val=val) -> np.ndarray:
                return np.where(code == policies.CODES[name], val, default)

            matrix = policies.affine_matrices(code, val, height, width)
            add('affine', policies.GEOMETRIC, matrix=matrix)
            luma = np.tile(params.LUMA, (3, 1))
            color, contrast = (of(n, 1.0)[:, None, None] for n in ('Color', 'Contrast'))
            factor = of('Brightness', 1.0)[:, None, None] * contrast * color
            add(
                'enhance',
                policies.ENHANCE,
                scale=factor * np.eye(3) + (1 - color) * luma,
                of_mean=(1 - contrast) * luma,
            )
            threshold = np.where(code == policies.CODES['Invert'], 0.0, of('Solarize', 256.0))
            mask = 256 - 2 ** (8 - of('Posterize', 8.0))
            added = of('SolarizeAdd', 0.0)
            add('levels', policies.LEVELS, keep_bits=mask, threshold=threshold, add=added)
            add('sharpness', ['Sharpness'], factor=val)
            add('auto_contrast', ['AutoContrast'])
            add('equalize', ['Equalize'])
        if any('affine' in name for name in arrays):
            arrays['fill'] = np.array(self.fill, dtype=np.float64)
        return arrays

    def augment(self, images: Tensor, p: Dict[str, Tensor]) -> Tensor:
        groups: Dict[Tuple[str, str], Dict[str, Tensor]] = {}
        for key, tensor in p.items():
            if '/' in key:
                slot, kind, name = key.split('/')
                groups.setdefault((slot, kind), {})[name] = tensor
        images = images.clone()
        for (_, kind), own in sorted(groups.items(), key=lambda item: item[0][0]):
            index = own.pop('index')
            if kind == 'affine':
                own.update(fill=p['fill'], mode=self.mode)
            changed = getattr(ops, kind)(images.index_select(0, index), **own)
            images.index_copy_(0, index, changed)
        return images
