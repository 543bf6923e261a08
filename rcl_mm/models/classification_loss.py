"""What heads of the MM libraries expect of a softmax classification loss, and its base class."""

from typing import Optional, Sequence, Tuple, Union

import torch
from mmpretrain.models.losses.utils import weight_reduce_loss
from torch import Tensor, nn

from rcl_mm.class_counts import CountsSource
from rcl_mm.errors import InputError
from rcl_mm.functional import balanced_softmax_loss, check_reduction
from rcl_mm.models.counts_buffer import ClassCountsModule


class SoftmaxSettings(nn.Module):
    """``use_sigmoid`` and ``class_weight`` as MMDetection's and MMPretrain's CrossEntropyLoss.

    Heads write the first into the config of their loss or read it from the loss.
    """

    use_sigmoid = False

    def set_softmax(self, use_sigmoid: bool, class_weight: Optional[Sequence[float]]) -> None:
        """Take the settings.

        Args:
            use_sigmoid (bool): False: balancing by class counts is defined for a softmax.
            class_weight (Sequence[float], optional): Weight of each class, shape (C, ).

        Raises:
            InputError: For ``use_sigmoid=True``, or weights that are no numbers of 0 or more.
        """
        name = type(self).__name__
        if use_sigmoid:
            raise InputError(
                f'{name} got use_sigmoid={use_sigmoid!r}, allowed is False: it balances a softmax '
                'over classes; set use_sigmoid=False in the head'
            )
        weights = None
        if class_weight is not None:
            try:
                weights = torch.as_tensor(class_weight, dtype=torch.float32)
            except (TypeError, ValueError) as error:
                raise InputError(
                    f'{name} got class_weight={class_weight!r}, allowed is a list with one number '
                    'for each class'
                ) from error
            if weights.ndim != 1 or not bool((weights >= 0).all() & weights.isfinite().all()):
                raise InputError(
                    f'{name} got class_weight={class_weight!r}, allowed is one number of 0 or more '
                    'for each class'
                )
        # Not in checkpoints: it is a setting.
        self.register_buffer('class_weight', weights, persistent=False)

    def weight_of_classes(self, num_classes: int) -> Optional[Tensor]:
        """``class_weight`` (C, ), or None.

        Raises:
            InputError: If there is not one weight for each class.
        """
        if self.class_weight is not None and len(self.class_weight) != num_classes:
            raise InputError(
                f'class_weight has {len(self.class_weight)} entries, but the scores have '
                f'{num_classes} classes: give one weight per class'
            )
        return self.class_weight


def reduce_loss(
    loss: Tensor,
    weight: Optional[Tensor],
    reduction: str,
    avg_factor: Union[float, Tensor, None],
) -> Tensor:
    """MMPretrain's ``weight_reduce_loss``, but 0 for an ``avg_factor`` of 0, not NaN.

    A detector's batch without a box has that divisor, and weights of 0.

    Args:
        loss (Tensor): Shape (N, ).
        weight (Tensor, optional): Shape (N, ).
        reduction (str): 'mean', 'sum' or 'none'.
        avg_factor (float | Tensor, optional): What the sum is divided by with 'mean'.
    """
    if isinstance(avg_factor, Tensor):  # without waiting for its value
        present = avg_factor != 0
        avg_factor = torch.where(present, avg_factor, 1)
    else:
        present = avg_factor is None or avg_factor != 0
        avg_factor = avg_factor if present else 1.0
    reduced = weight_reduce_loss(loss, weight, reduction, avg_factor)
    return reduced if reduction != 'mean' or present is True else reduced * present


class ClassificationLoss(ClassCountsModule, SoftmaxSettings):
    """Balanced softmax on class scores, behind the calling conventions of the MM libraries."""

    def __init__(
        self,
        class_counts: Union[str, CountsSource] = 'auto',
        num_classes: Optional[int] = None,
        prior_power: float = 1.0,
        reduction: str = 'mean',
        loss_weight: float = 1.0,
        ignore_index: Optional[int] = None,
        loss_name: str = 'loss_cls',
        use_sigmoid: bool = False,
        class_weight: Optional[Sequence[float]] = None,
    ) -> None:
        super().__init__(class_counts, num_classes)
        self.set_softmax(use_sigmoid, class_weight)
        self.cls_prior_power = prior_power
        self.reduction = check_reduction(reduction)
        self.loss_weight = loss_weight
        self.ignore_index = ignore_index
        self._loss_name = loss_name

    @property
    def loss_name(self) -> str:
        """Key of the loss in a segmentation head's log (MMSegmentation's convention)."""
        return self._loss_name

    def classification(
        self,
        cls_score: Tensor,
        target: Tensor,
        weight: Optional[Tensor] = None,
        avg_factor: Optional[float] = None,
        reduction: str = 'mean',
        ignore_index: Optional[int] = None,
    ) -> Tensor:
        """Balanced softmax cross-entropy, unweighted by ``loss_weight``.

        Args:
            cls_score (Tensor): Class scores, shape (N, C) or (N, C, d1, d2, ...).
            target (Tensor): Labels (N, ) or (N, d1, ...), or probabilities (N, C).
            weight (Tensor, optional): Weight of each target. Defaults to None.
            avg_factor (float, optional): What the sum is divided by with 'mean'.
            reduction (str): 'mean', 'sum' or 'none'. Defaults to 'mean'.
            ignore_index (int, optional): Label of targets without loss.
        """
        shape = target.shape
        if cls_score.ndim > 2:
            cls_score = cls_score.movedim(1, -1).flatten(0, -2)
            target = target.flatten()
            weight = None if weight is None else weight.flatten()
        if ignore_index is not None and not target.is_floating_point():
            counted = target != ignore_index
            target = torch.where(counted, target, self._any_trained_class(target))
            weight = counted.to(cls_score.dtype) * (1.0 if weight is None else weight)
            if avg_factor is None and reduction == 'mean':
                avg_factor = counted.sum().clamp(min=1)
        of_class = self.weight_of_classes(cls_score.shape[1])
        if of_class is not None and target.is_floating_point():
            target = target * of_class
        counts = self.known_class_counts() if self.cls_prior_power else None
        loss = balanced_softmax_loss(
            cls_score, target, counts, reduction='none', prior_power=self.cls_prior_power
        )
        if of_class is not None and not target.is_floating_point():
            loss = loss * of_class[target]
        if weight is not None:
            weight = weight.to(loss.dtype)
        loss = reduce_loss(loss, weight, reduction, avg_factor)
        return loss.view(shape) if reduction == 'none' and loss.numel() == shape.numel() else loss

    def _any_trained_class(self, target: Tensor) -> Tensor:
        """A stand-in label for ignored targets that has a finite prior; its loss has weight 0."""
        counts = self.known_class_counts() if self.cls_prior_power else None
        return target.new_zeros(()) if counts is None else counts.argmax().to(target)

    def _settings(self, reduction_override, ignore_index) -> Tuple[str, Optional[int]]:
        index = self.ignore_index if ignore_index is None else ignore_index
        return check_reduction(reduction_override or self.reduction, 'reduction_override'), index
