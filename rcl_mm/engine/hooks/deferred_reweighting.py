"""Deferred re-weighting, the second half of LDAM-DRW (Cao et al., NeurIPS 2019)."""

from typing import Sequence

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from rcl_mm.errors import InputError


def effective_number_weights(class_counts: Sequence[int], beta: float = 0.9999) -> np.ndarray:
    """Class-balanced weights (1 - beta) / (1 - beta^n_c), with mean 1.

    Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019.

    Args:
        class_counts (Sequence[int]): Training images per class, shape (C, ).
        beta (float): 0 weights all classes alike; towards 1 the weights tend to 1 / n_c.
            Defaults to 0.9999.

    Returns:
        np.ndarray: Weights, shape (C, ), float64. A class without images has weight 0 and is left
        out of the mean.

    Raises:
        InputError: If ``beta`` is not in [0, 1), or no class has an image.
    """
    if not 0 <= beta < 1:
        raise InputError(f'beta is {beta}, allowed is 0 or more and below 1')
    counts = np.asarray(class_counts, dtype=np.float64)
    present = counts > 0
    if not present.any():
        raise InputError(f'class_counts of {len(counts)} classes are all 0: give training counts')
    weights = np.zeros_like(counts)
    # 1 - beta^n without loss of digits for large n and beta near 1.
    weights[present] = (1 - beta) / -np.expm1(counts[present] * np.log(beta)) if beta else 1.0
    return weights * present.sum() / weights.sum()


@HOOKS.register_module()
class DeferredReweightingHook(Hook):
    """Weights the classes by their effective numbers from one epoch on.

    The features are learnt on the plain loss first; the weights come with the drop of the learning
    rate. Every module of the model with ``set_class_weights`` and ``class_counts`` gets them
    (:class:`LDAMLoss`). The epoch alone decides, so a resumed run goes on as the first one.

    Args:
        begin (int): Epoch, from 0, of the first training on weights.
        beta (float): See :func:`effective_number_weights`. Defaults to 0.9999.

    Raises:
        InputError: If ``begin`` is negative, or there is no module to weight.

    Example:
        >>> custom_hooks = [
        ...     dict(type='ClassCountsHook'), dict(type='DeferredReweightingHook', begin=160)]
    """

    # After ClassCountsHook (BELOW_NORMAL), which gives the counts.
    priority = 'LOW'

    def __init__(self, begin: int, beta: float = 0.9999) -> None:
        if begin < 0:
            raise InputError(f'begin is {begin}, allowed is 0 or more: an epoch, from 0')
        effective_number_weights([1], beta)
        self.begin = begin
        self.beta = beta

    def before_train_epoch(self, runner: Runner) -> None:
        """Set or clear the weights of this epoch."""
        losses = [m for m in runner.model.modules() if hasattr(m, 'set_class_weights')]
        if not losses:
            raise InputError(
                'DeferredReweightingHook: no module of the model takes class weights: use '
                "loss=dict(type='LDAMLoss') in the head, or take the hook out"
            )
        for loss in losses:
            if runner.epoch < self.begin:
                loss.set_class_weights(None)
            else:
                counts = loss.known_class_counts().tolist()
                weights = effective_number_weights(counts, self.beta)
                loss.set_class_weights(torch.from_numpy(weights))
        if runner.epoch == self.begin:
            print_log(
                f'DeferredReweightingHook: classes are weighted from epoch {self.begin + 1} on, '
                f'by {weights.min():.3g} to {weights.max():.3g}',
                logger='current',
            )
