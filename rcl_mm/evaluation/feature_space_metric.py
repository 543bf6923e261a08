"""Is the feature space balanced and compact: the paper's aims as numbers, streamed."""

from typing import Any, Dict, Optional, Sequence

import numpy as np
import torch
from mmengine.registry import METRICS
from torch import Tensor

from rcl_mm.class_counts import WAYS_TO_GIVE_COUNTS, CountsSource
from rcl_mm.errors import InputError
from rcl_mm.evaluation.feature_accumulator import SPACES, FeatureAccumulator, stack_features
from rcl_mm.evaluation.shot_groups_mixin import ShotGroupsMixin
from rcl_mm.evaluation.streaming_metric import StreamingMetric


@METRICS.register_module()
class FeatureSpaceMetric(ShotGroupsMixin, StreamingMetric):
    """Compactness, balancedness, alignment and uniformity of features or embeddings.

    All on unit-norm vectors and for every class alike, whatever its number of test images; see
    METHOD in the docs for the definitions:

    - ``compactness``: mean cosine of samples to their class mean (1: collapsed);
    - ``nc1``: trace of the within-class over that of the between-class covariance (0: collapsed);
    - ``angle_mean``, ``angle_std``: angles in degrees between centred class means;
      ``angle_min``: each class's smallest one, averaged; ``simplex_distance``: mean
      |cosine + 1/(C - 1)| (0: regular simplex, possible for D >= C - 1 only; NC2, Papyan et al.,
      PNAS 2020);
    - ``alignment``: mean squared distance of two samples of a class, ``uniformity``: logarithm of
      the mean Gaussian potential of two samples (Wang and Isola, ICML 2020; lower is better).

    The same for each shot group, as ``compactness_few`` and so on; angles of a group are those from
    its classes to all others. What is not defined, such as angles of one class, is left out.

    Class sums give all but ``uniformity`` exactly. That needs pairs of samples: it is exact up to
    ``num_samples`` samples and beyond that computed on so many of them, the same ones at any batch
    size and number of ranks. FeatureCollectorHook must be in the config: it brings the features.

    Args:
        space (str): ``'feature'``, what the classifier scores, for any head; or ``'embedding'``,
            where the contrastive loss acts, for heads that have one. Defaults to ``'feature'``.
        class_counts (Sequence[int] | str | None): As in LongTailMetric. Defaults to ``'auto'``.
        many (int): Classes with more training images are many-shot. Defaults to 100.
        few (int): Classes with fewer training images are few-shot. Defaults to 20.
        num_samples (int): Samples for ``uniformity``. Defaults to 2048.
        prefix (str, optional): Prefix of the keys. Defaults to ``'feature_space'``.

    Raises:
        InputError: If an argument is not allowed.
    """

    default_prefix: Optional[str] = 'feature_space'

    def __init__(
        self,
        space: str = 'feature',
        class_counts: Optional[CountsSource] = 'auto',
        many: int = 100,
        few: int = 20,
        num_samples: int = 2048,
        prefix: Optional[str] = None,
    ) -> None:
        super().__init__(prefix=prefix)
        if space not in SPACES:
            raise InputError(f'space is {space!r}, allowed are {", ".join(SPACES)}')
        if num_samples < 2:
            raise InputError(f'num_samples is {num_samples}, allowed is 2 or more')
        self.space = space
        self.needed_spaces = (space,)
        self.num_samples = num_samples
        self._set_groups(class_counts, many, few)
        self.accumulator: Optional[FeatureAccumulator] = None

    def accumulate(self, data_samples: Sequence[dict], positions: np.ndarray) -> None:
        """Add the features of predicted samples.

        Raises:
            InputError: If they have no features or no label.
        """
        features = stack_features(list(data_samples), self.space)
        if features is None:
            raise InputError(
                f'the predictions have no {self.space!r}: add dict(type="FeatureCollectorHook") to '
                'custom_hooks'
                + (', and use a head with embeddings (RCLHead)' if self.space != 'feature' else '')
            )
        labels = torch.cat([sample['gt_label'].reshape(-1) for sample in data_samples])
        if len(labels) != len(features):
            raise InputError('FeatureSpaceMetric needs one gt_label per sample')
        if self.accumulator is None:
            num_classes = self._number_of_classes(data_samples[0])
            self._check_counts_fit(num_classes)
            self.accumulator = FeatureAccumulator(num_classes, self.num_samples)
        self.accumulator.add(features, labels, positions)

    def summarise(self, size: int) -> Dict[str, float]:
        """Metrics over all ranks."""
        if self.accumulator is None:
            self.accumulator = FeatureAccumulator(self._number_of_classes({}), self.num_samples)
        if not self.accumulator.combine_ranks():
            self._say('empty', 'no sample was evaluated')
            return {}
        statistics = self.accumulator.statistics
        if not torch.isfinite(statistics.sums).all():
            self._say('finite', f'the {self.space}s are not finite, so nothing is computed')
            return {}
        if statistics.skipped:
            self._say('zero', f'{int(statistics.skipped)} {self.space}s are all zero: left out')
        if self.class_counts is None:
            self._say('groups', f'no class counts, so no groups: {WAYS_TO_GIVE_COUNTS}')
        return self.accumulator.summary(self.class_counts, self.many, self.few)

    def reset(self) -> None:
        """Forget all samples."""
        self.accumulator = None

    @staticmethod
    def calculate(
        features: Tensor,
        target: Tensor,
        num_classes: Optional[int] = None,
        class_counts: Optional[Sequence[int]] = None,
        many: int = 100,
        few: int = 20,
        num_samples: int = 2048,
    ) -> Dict[str, float]:
        """The metrics on plain tensors.

        Args:
            features (Tensor): Features, shape (N, D); normalised here.
            target (Tensor): Labels, shape (N, ).
            num_classes (int, optional): C. Defaults to the number of counts, else the largest
                label + 1.
            class_counts (Sequence[int], optional): Training images per class, shape (C, ).
            many (int): Classes with more training images are many-shot. Defaults to 100.
            few (int): Classes with fewer training images are few-shot. Defaults to 20.
            num_samples (int): Samples for ``uniformity``. Defaults to 2048.

        Examples:
            >>> features = torch.tensor([[1., 0.], [1., 0.], [-1., 0.]])
            >>> FeatureSpaceMetric.calculate(features, torch.tensor([0, 0, 1]))
            {'compactness': 1.0, 'alignment': 0.0, 'nc1': 0.0, 'angle_mean': 180.0,
             'angle_std': 0.0, 'angle_min': 180.0, 'simplex_distance': 0.0,
             'uniformity': -1.098...}
        """
        if class_counts is not None:
            num_classes = len(class_counts)
        if num_classes is None:
            num_classes = int(target.max()) + 1
        accumulator = FeatureAccumulator(num_classes, num_samples)
        accumulator.add(features, target, np.arange(len(target)))
        return accumulator.summary(class_counts, many, few)

    def _number_of_classes(self, sample: Dict[str, Any]) -> int:
        if 'pred_score' in sample:
            return len(sample['pred_score'])
        if self.class_counts is not None:
            return len(self.class_counts)
        classes = (self.dataset_meta or {}).get('classes')
        if not classes:
            raise InputError(
                'FeatureSpaceMetric can not tell the number of classes: the predictions have no '
                f'pred_score and the data set no class names: {WAYS_TO_GIVE_COUNTS}'
            )
        return len(classes)
