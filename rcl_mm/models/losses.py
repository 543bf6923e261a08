"""Losses for long-tailed recognition, with the signature of MMPretrain's classification losses."""

from typing import Optional, Sequence, Union

from mmengine.logging import print_log
from mmengine.registry import MODELS
from torch import Tensor

from rcl_mm.class_counts import CountsSource
from rcl_mm.errors import InputError
from rcl_mm.functional import (
    rebalanced_contrastive_loss,
    similarity_scales,
)
from rcl_mm.models.classification_loss import ClassificationLoss


@MODELS.register_module()
class BalancedSoftmaxLoss(ClassificationLoss):
    """Balanced softmax cross-entropy CE(l + log n, y) (Ren et al., NeurIPS 2020).

    Args:
        class_counts (Sequence[int] | str): Training images per class, the path of a JSON or list
            file, or 'auto' (read by :class:`ClassCountsHook`). Defaults to 'auto'.
        num_classes (int, optional): Number of classes C. Defaults to None.
        prior_power (float): Strength of the adjustment; 0 is cross-entropy. Defaults to 1.0.
        reduction (str): 'mean', 'sum' or 'none'. Defaults to 'mean'.
        loss_weight (float): Weight of the loss. Defaults to 1.0.
        ignore_index (int, optional): Label of targets without loss. Defaults to None.
        loss_name (str): Key in a segmentation head's log. Defaults to 'loss_cls'.
        use_sigmoid (bool): Only False, as detection heads give it. Defaults to False.
        class_weight (Sequence[float], optional): Weight of each class, (C, ). Defaults to None.
    """

    def forward(
        self,
        cls_score: Tensor,
        target: Tensor,
        weight: Optional[Tensor] = None,
        avg_factor: Optional[float] = None,
        reduction_override: Optional[str] = None,
        ignore_index: Optional[int] = None,
        **kwargs,
    ) -> Tensor:
        """Loss of class scores, see :meth:`classification` for the shapes."""
        reduction, index = self._settings(reduction_override, ignore_index)
        return self.loss_weight * self.classification(
            cls_score, target, weight, avg_factor, reduction, index
        )


@MODELS.register_module()
class RCLLoss(ClassificationLoss):
    """Rebalanced Contrastive Learning: balanced softmax and rebalanced contrastive loss.

    arXiv 2312.01753; the whole objective of METHOD: ``cls_weight * L_cls + con_weight * L_con``.
    With class scores alone (any head with a single-label loss) it is the classification part, and
    says so once in the log; :class:`RCLHead` gives it embeddings and prototypes too.

    Args:
        class_counts (Sequence[int] | str): Training images per class, the path of a JSON or list
            file, or 'auto' (read by :class:`ClassCountsHook`). Defaults to 'auto'.
        num_classes (int, optional): Number of classes C. Defaults to None.
        temperature (float): Temperature tau of the contrastive softmax. Defaults to 0.1.
        feature_scale (float): Scale s of embeddings and prototypes. Defaults to 1.0.
        prototype_scale (float, optional): Scale s_p of the prototypes alone. Defaults to None: s.
        prior_power (float): gamma, strength of the balancing by class frequency in the
            contrastive softmax; 0 is BCL. Defaults to 1.0.
        class_averaging (bool): BCL's averaging within classes. Defaults to True.
        cls_weight (float): alpha, weight of the classification part. Defaults to 1.0.
        con_weight (float): beta, weight of the contrastive part. Defaults to 1.0.
        cls_prior_power (float): Strength of the classifier's adjustment; 0 is plain cross-entropy.
            Defaults to 1.0.
        gather (bool): Contrast against the embeddings of all ranks, with gradients, in
            distributed training. Defaults to True.
        chunk_size (int, optional): Anchors per chunk of the contrastive loss, see
            :func:`rcl_mm.functional.rebalanced_contrastive_loss`. Defaults to None.
        reduction (str): 'mean', 'sum' or 'none' over samples. Defaults to 'mean'.
        loss_weight (float): Weight of the whole loss. Defaults to 1.0.
        ignore_index (int, optional): Label of targets without loss. Defaults to None.
        loss_name (str): Key in a segmentation head's log. Defaults to 'loss_rcl'.
        use_sigmoid (bool): Only False, as detection heads give it. Defaults to False.
        class_weight (Sequence[float], optional): Weight of each class in the classification part,
            shape (C, ). Defaults to None.
    """

    def __init__(
        self,
        class_counts: Union[str, CountsSource] = 'auto',
        num_classes: Optional[int] = None,
        temperature: float = 0.1,
        feature_scale: float = 1.0,
        prototype_scale: Optional[float] = None,
        prior_power: float = 1.0,
        class_averaging: bool = True,
        cls_weight: float = 1.0,
        con_weight: float = 1.0,
        cls_prior_power: float = 1.0,
        gather: bool = True,
        chunk_size: Optional[int] = None,
        reduction: str = 'mean',
        loss_weight: float = 1.0,
        ignore_index: Optional[int] = None,
        loss_name: str = 'loss_rcl',
        use_sigmoid: bool = False,
        class_weight: Optional[Sequence[float]] = None,
    ) -> None:
        super().__init__(
            class_counts,
            num_classes,
            cls_prior_power,
            reduction,
            loss_weight,
            ignore_index,
            loss_name,
            use_sigmoid,
            class_weight,
        )
        # Refuses what is not above 0, before the first batch.
        similarity_scales(temperature, feature_scale, prototype_scale)
        if not prior_power >= 0:
            raise InputError(f'prior_power={prior_power} must be 0 or more')
        if cls_weight < 0 or con_weight < 0:
            raise InputError(
                f'cls_weight={cls_weight} and con_weight={con_weight} must be 0 or more'
            )
        self.temperature = temperature
        self.feature_scale = feature_scale
        self.prototype_scale = prototype_scale
        self.prior_power = prior_power
        self.class_averaging = class_averaging
        self.cls_weight = cls_weight
        self.con_weight = con_weight
        self.gather = gather
        self.chunk_size = chunk_size
        self._said_what_is_missing = False

    def forward(
        self,
        cls_score: Optional[Tensor],
        target: Tensor,
        weight: Optional[Tensor] = None,
        avg_factor: Optional[float] = None,
        reduction_override: Optional[str] = None,
        embeddings: Optional[Tensor] = None,
        labels: Optional[Tensor] = None,
        prototypes: Optional[Tensor] = None,
        ignore_index: Optional[int] = None,
        **kwargs,
    ) -> Tensor:
        """The weighted sum of both parts, or of those whose inputs are given.

        Args:
            cls_score (Tensor | None): Class scores, shape (N, C) or (N, C, d1, ...).
            target (Tensor): Labels (N, ) or (N, d1, ...), or probabilities (N, C).
            weight (Tensor, optional): Weight of each target in the classification part.
            avg_factor (float, optional): Divisor of the classification part.
            reduction_override (str, optional): 'mean', 'sum' or 'none' instead of ``reduction``.
            embeddings (Tensor, optional): Unit-norm embeddings of all contrastive views, (M, D).
            labels (Tensor, optional): Their labels, shape (M, ). Defaults to ``target`` repeated.
            prototypes (Tensor, optional): Unit-norm prototypes, shape (C, D).
            ignore_index (int, optional): Label of targets without loss; class scores only.

        Raises:
            InputError: For unknown class counts, shapes that do not fit, M no multiple of N, and
                with embeddings for any reduction but the mean or an ``ignore_index``.
        """
        reduction, index = self._settings(reduction_override, ignore_index)
        total = 0.0
        if cls_score is not None and (self.cls_weight or embeddings is None):
            total = self.cls_weight * self.classification(
                cls_score, target, weight, avg_factor, reduction, index
            )
        if embeddings is not None:
            self.require_contrastive(reduction, index)
            if labels is None:
                if target.is_floating_point() or len(embeddings) % len(target):
                    raise InputError(
                        f'{len(embeddings)} embeddings for {len(target)} targets '
                        f'({target.dtype}): give labels of shape ({len(embeddings)},)'
                    )
                labels = target.repeat(len(embeddings) // len(target))
            total = total + self.con_weight * self.contrastive(embeddings, labels, prototypes)
        elif not self._said_what_is_missing:
            self._said_what_is_missing = True
            if self.con_weight:
                print_log(
                    'RCLLoss got class scores only, so it is the balanced softmax part of RCL. For '
                    "the contrastive part use head=dict(type='RCLHead', ...) with two or three "
                    'views per image.',
                    logger='current',
                )
        return self.loss_weight * total

    def require_contrastive(self, reduction: str, ignore_index: Optional[int]) -> None:
        """Refuse settings that class scores have and the contrastive part has not.

        Raises:
            InputError: For a reduction other than 'mean', or an ``ignore_index``.
        """
        if reduction != 'mean':
            raise InputError(
                f'reduction="{reduction}" is not defined for scores and embeddings at once: '
                'use "mean"'
            )
        if ignore_index is not None:
            raise InputError(
                f'ignore_index={ignore_index} is for class scores alone: the contrastive part '
                'needs a class for every image'
            )

    def contrastive(
        self, embeddings: Tensor, labels: Tensor, prototypes: Optional[Tensor] = None
    ) -> Tensor:
        """Rebalanced contrastive loss, a scalar without ``con_weight`` and ``loss_weight``."""
        return rebalanced_contrastive_loss(
            embeddings,
            labels,
            prototypes,
            self.known_class_counts() if self.prior_power else None,
            temperature=self.temperature,
            feature_scale=self.feature_scale,
            prototype_scale=self.prototype_scale,
            prior_power=self.prior_power,
            class_averaging=self.class_averaging,
            gather=self.gather,
            chunk_size=self.chunk_size,
        )
