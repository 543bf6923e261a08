"""Hook that tells losses and metrics how many training images each class has."""

import logging
from typing import Any, Iterator, List, Optional

import numpy as np
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import DATASETS, HOOKS
from mmengine.runner import Runner
from torch import nn

from rcl_mm.class_counts import (
    WAYS_TO_GIVE_COUNTS,
    check_class_counts,
    count_labels,
    dataset_labels,
    num_class_names,
)
from rcl_mm.datasets.distinct_images import distinct_samples, image_class_counts
from rcl_mm.errors import InputError
from rcl_mm.runtime.running_counts import may_repeat_images


@HOOKS.register_module()
class ClassCountsHook(Hook):
    """Gives every module and metric with ``class_counts='auto'`` the counts of the training set.

    Losses get the counts that an epoch draws, metrics those of distinct images: RepeatDataset,
    ClassBalancedDataset or the same set twice in ConcatDataset change the former only.

    The metrics' counts come from the first of these that has them: the built training set; the
    loaded checkpoint (``meta.dataset_meta.class_counts``, which this hook writes into every
    checkpoint); the training set of ``train_dataloader`` in the config, if it may repeat images; a
    module of the loaded model that knows what was drawn; that training set in any case. So a
    checkpoint can be tested on a machine without the training set.

    A receiver is any module of the model (also inside a distributed wrapper or a moving average)
    and any metric of the validation and test evaluators that has ``set_class_counts(counts)``. A
    module whose ``class_counts_known`` is still false when training begins stops the run with one
    clear error; a metric without counts says itself what it leaves out.

    Before training, once, the labels of the training set are checked against each receiver's
    number of classes and against its counts: checks that would make a GPU wait if the loss did
    them in every iteration.

    Example:
        >>> custom_hooks = [dict(type='ClassCountsHook')]
    """

    # Before the hooks that copy the model for an average in their before_run: a copy must have a
    # buffer as large as the original's.
    priority = 'HIGH'

    def __init__(self) -> None:
        # As drawn in an epoch, and of distinct images.
        self.counts: Optional[np.ndarray] = None
        self.image_counts: Optional[np.ndarray] = None

    def before_run(self, runner: Runner) -> None:
        """Tell losses that do not know it how many classes the head that owns them has."""
        for parent in runner.model.modules():
            num_classes = getattr(parent, 'num_classes', None)
            for child in parent.children():
                if isinstance(num_classes, int) and hasattr(child, 'expect_classes'):
                    child.expect_classes(num_classes)

    def before_train(self, runner: Runner) -> None:
        """Find the counts, check the training labels, set the counts everywhere.

        Raises:
            InputError: If a receiver needs counts and there are none, or the labels of the
                training set do not fit a receiver's classes or counts.
        """
        models = list(_model_receivers(runner))
        metrics = list(_metric_receivers(runner, ('val_loop',)))
        receivers = models + metrics
        if not receivers:
            return
        dataset = runner.train_dataloader.dataset
        reason = None
        try:
            labels = dataset_labels(dataset)
        except TypeError as error:
            labels, reason = None, str(error)
        if labels is not None:
            num_classes = _num_classes(models)
            # Refuses labels that a receiver has no class for; classes without an image count as 0.
            num_classes = num_classes or num_class_names(dataset)
            self.counts = check_class_counts(count_labels(labels, num_classes))
            images = labels[distinct_samples(dataset, labels)]
            self.image_counts = count_labels(images, len(self.counts))
        self._set(models, metrics)
        _require(models, reason)
        if labels is not None:
            self._warn_of_other_counts(receivers)
            for receiver in receivers:
                _check_labels_have_counts(receiver, labels)

    def before_val(self, runner: Runner) -> None:
        """Set the counts on the metrics of the validation loop."""
        self._before_evaluation(runner, 'val_loop')

    def before_test(self, runner: Runner) -> None:
        """Set the counts on the metrics of the test loop."""
        self._before_evaluation(runner, 'test_loop')

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Remember the counts that a checkpoint carries."""
        meta = checkpoint.get('meta') or {}
        counts = (meta.get('dataset_meta') or {}).get('class_counts')
        if counts is not None and self.image_counts is None:
            self.image_counts = check_class_counts(counts)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Write the images per class into the checkpoint, also of sets that do not say them."""
        if self.image_counts is not None:
            dataset_meta = dict(checkpoint['meta'].get('dataset_meta') or {})
            dataset_meta['class_counts'] = [int(count) for count in self.image_counts]
            checkpoint['meta']['dataset_meta'] = dataset_meta

    def _before_evaluation(self, runner: Runner, loop: str) -> None:
        metrics = list(_metric_receivers(runner, (loop,)))
        if not metrics:
            return
        if self.image_counts is None and not all(one.class_counts_known for one in metrics):
            self.image_counts = _find_image_counts(runner)
        self._set(list(_model_receivers(runner)), metrics)

    def _warn_of_other_counts(self, receivers: List[Any]) -> None:
        """Say once where counts given by hand are not those of the training set, nor in scale."""
        for receiver in receivers:
            given = _as_array(getattr(receiver, 'class_counts', None))
            if given is None or len(given) != len(self.counts):
                continue
            own = (self.counts, self.image_counts)
            if any(np.allclose(given * one.sum(), one * given.sum()) for one in own):
                continue
            index = int(np.argmax(given != self.image_counts))
            print_log(
                f'{type(receiver).__name__}: the class_counts given are not those of the training '
                f'set: class {index} has {given[index]}, the training set '
                f'{self.image_counts[index]} images of it (are the classes in the same order?); '
                "class_counts='auto' counts them",
                'current',
                logging.WARNING,
            )
            return

    def _set(self, models: List[Any], metrics: List[Any]) -> None:
        for model in models:
            if self.counts is not None:
                model.set_class_counts(self.counts)
            elif self.image_counts is not None and not model.class_counts_known:
                model.set_class_counts(self.image_counts)
        if self.image_counts is not None:
            for metric in metrics:
                metric.set_class_counts(self.image_counts)


def _model_receivers(runner: Runner) -> Iterator[nn.Module]:
    """Modules that take class counts, of the model and of averaged copies of it."""
    averaged = [getattr(hook, 'ema_model', None) for hook in runner.hooks]
    for model in [runner.model, *averaged]:
        if isinstance(model, nn.Module):
            yield from (module for module in model.modules() if _takes_counts(module))


def _metric_receivers(runner: Runner, loops: tuple) -> Iterator[Any]:
    """Metrics that take class counts, of the loops that are built."""
    for name in loops:
        evaluator = getattr(getattr(runner, f'_{name}', None), 'evaluator', None)
        yield from (metric for metric in getattr(evaluator, 'metrics', ()) if _takes_counts(metric))


def _takes_counts(receiver: Any) -> bool:
    return callable(getattr(receiver, 'set_class_counts', None))


def _num_classes(receivers: List[Any]) -> Optional[int]:
    """The number of classes that the receivers were built for, if they say it."""
    numbers = (getattr(receiver, 'num_classes', None) for receiver in receivers)
    return next((int(number) for number in numbers if number), None)


def _counts_of_modules(modules: Iterator[nn.Module]) -> Optional[np.ndarray]:
    """Counts from the buffers of a loaded model."""
    for module in modules:
        counts = getattr(module, 'class_counts', None)
        if module.class_counts_known and hasattr(counts, 'cpu'):
            return check_class_counts(counts.detach().cpu().numpy())
    return None


def _find_image_counts(runner: Runner) -> Optional[np.ndarray]:
    """Counts for the metrics where neither a training set nor a checkpoint gave them."""
    loader = runner._train_dataloader or runner.cfg.get('train_dataloader')
    drawn = _counts_of_modules(_model_receivers(runner))
    if drawn is not None and not may_repeat_images(loader):
        return drawn
    try:
        counts = _image_counts_of_loader(loader)
    except (OSError, TypeError, ValueError, KeyError) as error:
        reason = f'the training set of the config can not be read ({error})'
        groups = 'no class counts' if drawn is None else 'counts of drawn, not of distinct images,'
        print_log(f'{groups} for the metrics: {reason}', 'current', logging.WARNING)
        return drawn
    return drawn if counts is None else counts


def _image_counts_of_loader(loader: Any) -> Optional[np.ndarray]:
    """Counts of the training set, built without reading images where it is a config."""
    is_config = isinstance(loader, dict)
    dataset = DATASETS.build(loader['dataset']) if is_config else getattr(loader, 'dataset', None)
    return None if dataset is None else image_class_counts(dataset)


def _as_array(counts: Any) -> Optional[np.ndarray]:
    if counts is None:
        return None
    return np.asarray(counts.detach().cpu() if hasattr(counts, 'detach') else counts)


def _require(receivers: List[Any], reason: Optional[str]) -> None:
    """Raise one clear error if a receiver still has no counts."""
    missing = sorted({type(one).__name__ for one in receivers if not one.class_counts_known})
    if missing:
        why = f' ({reason})' if reason else ''
        raise InputError(
            f'{", ".join(missing)}: the class counts are unknown{why}: {WAYS_TO_GIVE_COUNTS}'
        )


def _check_labels_have_counts(receiver: Any, labels: np.ndarray) -> None:
    """Check a receiver's own counts, which may have been given by hand, against the labels."""
    counts = _as_array(getattr(receiver, 'class_counts', None))
    if counts is None:
        return
    present = np.unique(labels)
    name = type(receiver).__name__
    if counts.ndim != 1 or not present.size:
        return
    if present[-1] >= len(counts):
        raise InputError(
            f'{name}: class_counts has {len(counts)} entries, but the training set has label '
            f'{present[-1]}: give one count per class'
        )
    absent = present[counts[present] == 0]
    if absent.size:
        raise InputError(
            f'{name}: class_counts is 0 for class {absent[0]}, but the training set has '
            f'{int((labels == absent[0]).sum())} images of it: correct class_counts, or use '
            "class_counts='auto'"
        )
