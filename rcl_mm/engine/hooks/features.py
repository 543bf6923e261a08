"""Hands the features behind the predictions to the metrics that want them."""

from typing import Any, List, Optional, Set

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import nn

from rcl_mm.errors import InputError


@HOOKS.register_module()
class FeatureCollectorHook(Hook):
    """Adds ``feature`` and ``embedding`` to the predictions while a metric asks for them.

    Works with any MMPretrain classifier and head: during validation and testing the head's
    ``predict`` also puts what the classifier scores, ``pre_logits`` (d, ), into each data sample as
    ``feature`` and, for a head with a ``projector`` such as RCLHead, the unit-norm ``embedding``
    (D, ). Training is not touched. A metric asks by its attribute ``needed_spaces``, a collection
    of ``'feature'`` and ``'embedding'``; when none does, nothing is done.

    Example:
        >>> custom_hooks = [dict(type='ClassCountsHook'), dict(type='FeatureCollectorHook')]
        >>> val_evaluator = [dict(type='LongTailMetric'), dict(type='FeatureSpaceMetric')]
    """

    def __init__(self) -> None:
        self._head: Optional[nn.Module] = None

    def before_val(self, runner: Runner) -> None:
        """Extend the head if a metric of the validation wants features."""
        self._extend(runner.model, runner.val_evaluator.metrics)

    def before_test(self, runner: Runner) -> None:
        """Extend the head if a metric of the test wants features."""
        self._extend(runner.model, runner.test_evaluator.metrics)

    def after_val(self, runner: Runner) -> None:
        """Leave the head as it was."""
        self._restore()

    def after_test(self, runner: Runner) -> None:
        """Leave the head as it was."""
        self._restore()

    def _extend(self, model: nn.Module, metrics: List[Any]) -> None:
        self._restore()
        spaces = {space for metric in metrics for space in getattr(metric, 'needed_spaces', ())}
        if not spaces:
            return
        # Distributed wrappers, and test-time augmentation, hold the classifier as `module`.
        while is_model_wrapper(model) or (not hasattr(model, 'head') and hasattr(model, 'module')):
            model = model.module
        head = getattr(model, 'head', None)
        if not hasattr(head, 'pre_logits') or not hasattr(head, 'predict'):
            raise InputError(
                f'{type(model).__name__} has no head with pre_logits() and predict(), so '
                'FeatureCollectorHook can not find its features: use it with an MMPretrain '
                'ImageClassifier, or take FeatureSpaceMetric out of the config'
            )
        predict = head.predict

        def predict_with_features(feats, data_samples=None):
            return _attach(head, feats, predict(feats, data_samples), spaces)

        head.predict = predict_with_features
        self._head = head

    def _restore(self) -> None:
        if self._head is not None:
            del self._head.predict  # the class's own method shows again
            self._head = None


@torch.no_grad()
def _attach(head: nn.Module, feats: Any, predictions: List[Any], spaces: Set[str]) -> List[Any]:
    """Put the features of a batch into its predictions."""
    feature = head.pre_logits(feats)
    found = {'feature': feature}
    if 'embedding' in spaces and hasattr(head, 'projector'):
        found['embedding'] = head.projector(feature)
    for space in spaces & set(found):
        for sample, vector in zip(predictions, found[space].flatten(1)):
            sample.set_field(vector, space)
    return predictions
