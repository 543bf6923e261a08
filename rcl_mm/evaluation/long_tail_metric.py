"""Accuracy on long-tailed data: per class, per shot group, with calibration."""

from typing import Dict, List, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.registry import METRICS
from torch import Tensor

from rcl_mm.class_counts import (
    WAYS_TO_GIVE_COUNTS,
    CountsSource,
    check_class_counts,
    shot_groups,
)
from rcl_mm.errors import InputError
from rcl_mm.evaluation.class_accuracy import (
    GROUPS,
    class_number,
    group_means,
    name_classes,
    per_class_accuracy,
    reliability_bins,
)
from rcl_mm.evaluation.shot_groups_mixin import ShotGroupsMixin

Prediction = Tuple[int, int, float]


@METRICS.register_module()
class LongTailMetric(ShotGroupsMixin, BaseMetric):
    """Top-1, balanced, many / medium / few-shot and worst-class accuracy, and calibration error.

    Every figure is in percent. ``balanced`` is the mean of the per-class accuracies; ``many``,
    ``medium`` and ``few`` are such means over the classes with more than ``many``, from ``few`` to
    ``many``, and fewer than ``few`` training images (Liu et al., "Large-Scale Long-Tailed
    Recognition in an Open World", CVPR 2019); ``worst`` is the lowest per-class accuracy; ``ece``
    the expected calibration error (Guo et al., ICML 2017). A group without classes has no figure.
    A class without test images has no accuracy: it is left out of every mean and named in the log.

    Per sample only the true label, the predicted label and its score are kept. Over several ranks
    the figures are those of one rank: samples that the sampler repeats to fill the last batches
    are counted once.

    Args:
        class_counts (Sequence[int] | str | None): Training images per class: a list of C numbers,
            the path of a JSON or list file, or ``'auto'``: ClassCountsHook gives them. While they
            are unknown the groups are left out, and the log says so. Defaults to ``'auto'``.
        many (int): Classes with more training images are many-shot. Defaults to 100.
        few (int): Classes with fewer training images are few-shot. Defaults to 20.
        num_bins (int): Number of equal bins for ``ece``. Defaults to 15.
        collect_device (str): ``'cpu'`` or ``'gpu'``, see :class:`mmengine.evaluator.BaseMetric`.
        prefix (str, optional): Prefix of the keys. Defaults to ``'long_tail'``.
        collect_dir (str, optional): Folder shared by the ranks for ``collect_device='cpu'``.

    Raises:
        InputError: If the class counts or the thresholds are not valid.

    Examples:
        >>> import torch
        >>> from rcl_mm.evaluation import LongTailMetric
        >>> predicted, target = [0, 0, 1, 0], [0, 0, 1, 2]
        >>> LongTailMetric.calculate(predicted, target, class_counts=[500, 50, 5])
        {'top1': 75.0, 'balanced': 66.66..., 'many': 100.0, 'medium': 100.0, 'few': 0.0,
         'worst': 0.0}
        >>> # In a config: groups from the training set, key 'long_tail/few' for save_best
        >>> val_evaluator = dict(type='LongTailMetric')
        >>> custom_hooks = [dict(type='ClassCountsHook')]
    """

    default_prefix: Optional[str] = 'long_tail'

    def __init__(
        self,
        class_counts: Optional[CountsSource] = 'auto',
        many: int = 100,
        few: int = 20,
        num_bins: int = 15,
        collect_device: str = 'cpu',
        prefix: Optional[str] = None,
        collect_dir: Optional[str] = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        if num_bins < 1:
            raise InputError(f'num_bins is {num_bins}, allowed is 1 or more')
        self.num_bins = num_bins
        self._set_groups(class_counts, many, few)
        self._num_classes: Optional[int] = None

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        """Keep (true label, predicted label, its score) of each sample.

        Args:
            data_batch: Not used.
            data_samples (Sequence[dict]): Predictions: ``gt_label`` (1, ) with ``pred_score``
                (C, ) or, without calibration, ``pred_label`` (1, ).

        Raises:
            InputError: If a sample has no label or more than one.
        """
        if not data_samples:
            return
        for sample in data_samples:
            label = sample.get('gt_label')
            if label is None or label.numel() != 1:
                raise InputError(
                    f'LongTailMetric needs one gt_label per sample, got '
                    f'{None if label is None else tuple(label.shape)}: it is for labelled '
                    'single-label data'
                )
        target = torch.cat([sample['gt_label'].reshape(1) for sample in data_samples])
        if 'pred_score' in data_samples[0]:
            scores = torch.stack([sample['pred_score'] for sample in data_samples])
            self._num_classes = scores.shape[1]
            confidence, predicted = scores.float().max(dim=1)
        else:
            predicted = torch.cat([sample['pred_label'].reshape(1) for sample in data_samples])
            confidence = torch.full(predicted.shape, float('nan'), device=predicted.device)
        self.results.extend(zip(target.tolist(), predicted.tolist(), confidence.tolist()))

    def compute_metrics(self, results: List[Prediction]) -> Dict[str, float]:
        """Metrics of the whole data set from the kept predictions of all ranks."""
        if not results:
            return {}
        target, predicted, confidence = (np.asarray(column) for column in zip(*results))
        classes = (self.dataset_meta or {}).get('classes')
        num_classes = self._number_of_classes(target, predicted, classes)
        counts = self.class_counts
        if counts is None:
            self._say(
                'groups',
                'the class counts of the training set are not known, so many / medium / few are '
                f'left out: {WAYS_TO_GIVE_COUNTS}',
            )
        self._check_counts_fit(num_classes)
        missing = np.flatnonzero(np.bincount(target, minlength=num_classes)[:num_classes] == 0)
        if missing.size:
            self._say(
                'missing',
                f'{missing.size} of {num_classes} classes have no test images and are left out of '
                f'balanced, worst and the groups: {name_classes(missing, classes)}',
            )
        if not ((confidence >= 0) & (confidence <= 1 + 1e-6)).all():
            confidence = None
            self._say('ece', 'the scores are no probabilities in 0..1, so ece is left out')
        metrics = self.calculate(
            predicted,
            target,
            class_counts=counts,
            num_classes=num_classes,
            confidence=confidence,
            many=self.many,
            few=self.few,
            num_bins=self.num_bins,
        )
        print_log(self._summary(metrics), logger='current')
        return metrics

    @staticmethod
    def calculate(
        pred: Union[Tensor, np.ndarray, Sequence],
        target: Union[Tensor, np.ndarray, Sequence],
        class_counts: Optional[Sequence[int]] = None,
        num_classes: Optional[int] = None,
        confidence: Optional[Sequence[float]] = None,
        many: int = 100,
        few: int = 20,
        num_bins: int = 15,
    ) -> Dict[str, float]:
        """The metrics on plain tensors, arrays or lists.

        Args:
            pred (Tensor | np.ndarray | Sequence): Probabilities of every class, shape (N, C), or
                predicted labels, shape (N, ).
            target (Tensor | np.ndarray | Sequence): True labels, shape (N, ).
            class_counts (Sequence[int], optional): Training images per class, shape (C, ). Without
                them there are no groups.
            num_classes (int, optional): C, if neither ``pred`` nor ``class_counts`` tells it.
                Defaults to the largest label + 1.
            confidence (Sequence[float], optional): Probability of the predicted label, shape
                (N, ), for ``ece`` with labels in ``pred``.
            many (int): Classes with more training images are many-shot. Defaults to 100.
            few (int): Classes with fewer training images are few-shot. Defaults to 20.
            num_bins (int): Number of bins for ``ece``. Defaults to 15.

        Returns:
            dict[str, float]: In percent: ``top1 balanced``, then those of ``many medium few`` that
            have a class with test images, ``worst``, and ``ece`` if confidences are known.

        Raises:
            InputError: If shapes do not fit, labels are out of range, or scores are no
                probabilities.
        """
        pred = np.asarray(pred.detach().float().cpu() if isinstance(pred, Tensor) else pred)
        target = np.asarray(target.cpu() if isinstance(target, Tensor) else target).reshape(-1)
        if pred.ndim == 2:
            num_classes = pred.shape[1]
            confidence, pred = pred.max(axis=1), pred.argmax(axis=1)
        if len(pred) != len(target) or not len(target):
            raise InputError(
                f'pred has {len(pred)} samples and target {len(target)}: give one prediction per '
                'target, and at least one'
            )
        if class_counts is not None:
            class_counts = check_class_counts(class_counts, num_classes)
            num_classes = len(class_counts)
        if num_classes is None:
            num_classes = int(max(pred.max(), target.max())) + 1
        accuracies = 100 * per_class_accuracy(pred, target, num_classes)
        metrics = {
            'top1': 100 * float(np.mean(pred == target)),
            'balanced': float(np.nanmean(accuracies)),
            **group_means(accuracies, class_counts, many, few),
            'worst': float(np.nanmin(accuracies)),
        }
        if confidence is not None:
            metrics['ece'] = 100 * reliability_bins(confidence, pred == target, num_bins).ece
        return metrics

    def _number_of_classes(self, target, predicted, classes) -> int:
        if self._num_classes is not None:
            return self._num_classes
        if self.class_counts is not None:
            return len(self.class_counts)
        return len(classes) if classes else int(max(target.max(), predicted.max())) + 1

    def _summary(self, metrics: Dict[str, float]) -> str:
        """One line: the accuracies, and how many classes each group has."""
        parts = [f'top-1 {metrics["top1"]:.2f}', f'balanced {metrics["balanced"]:.2f}']
        if self.class_counts is not None:
            sizes = shot_groups(self.class_counts, self.many, self.few)
            for group in GROUPS:
                figure = f'{metrics[group]:.2f}' if group in metrics else 'no figure'
                parts.append(f'{group} {figure} ({class_number(len(sizes[group]))})')
        parts.append(f'worst class {metrics["worst"]:.2f}')
        if 'ece' in metrics:
            parts.append(f'ECE {metrics["ece"]:.2f}')
        return f'{self.prefix} (%): ' + ', '.join(parts)
