"""Label-distribution-aware margins, the LDAM-DRW baseline (Cao et al., NeurIPS 2019)."""

from typing import Optional, Sequence, Union

import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor

from rcl_mm.class_counts import CountsSource
from rcl_mm.errors import InputError
from rcl_mm.functional import check_reduction
from rcl_mm.models.classification_loss import SoftmaxSettings, reduce_loss
from rcl_mm.models.counts_buffer import ClassCountsModule


@MODELS.register_module()
class LDAMLoss(ClassCountsModule, SoftmaxSettings):
    r"""Cross-entropy with a margin for each class, wider for rare ones.

    With the cosines :math:`q_c` of a normalised classifier (:class:`CosineClsHead`), its scale s
    and the training counts n (Cao et al., "Learning Imbalanced Datasets with
    Label-Distribution-Aware Margin Loss", NeurIPS 2019, equations 10 to 13)::

        m_c = max_margin * (min_k n_k / n_c)^(1/4)
        L = -w_y log( exp(s (q_y - m_y)) / (exp(s (q_y - m_y)) + sum_{c != y} exp(s q_c)) )

    The scores that come in are the s·q_c of the head. The class weights w are one until
    :class:`DeferredReweightingHook` sets them; the mean of a batch with weights is over the sum of
    its weights.

    Args:
        class_counts (Sequence[int] | str): Training images per class, the path of a JSON or list
            file, or 'auto' (read by :class:`ClassCountsHook`). Defaults to 'auto'.
        num_classes (int, optional): Number of classes C. Defaults to None.
        max_margin (float): Margin of the rarest class, as a cosine. Defaults to 0.5.
        scale (float): Scale s of the head's cosines. Defaults to 30.
        reduction (str): 'mean', 'sum' or 'none'. Defaults to 'mean'.
        loss_weight (float): Weight of the loss. Defaults to 1.0.
        use_sigmoid (bool): Only False, as detection heads give it. Defaults to False.
        class_weight (Sequence[float], optional): Weight of each class, (C, ). Defaults to None.

    Raises:
        InputError: If an argument is out of range.
    """

    def __init__(
        self,
        class_counts: Union[str, CountsSource] = 'auto',
        num_classes: Optional[int] = None,
        max_margin: float = 0.5,
        scale: float = 30.0,
        reduction: str = 'mean',
        loss_weight: float = 1.0,
        use_sigmoid: bool = False,
        class_weight: Optional[Sequence[float]] = None,
    ) -> None:
        super().__init__(class_counts, num_classes)
        self.set_softmax(use_sigmoid, class_weight)
        if not (max_margin >= 0 and scale > 0):
            raise InputError(f'max_margin={max_margin} must be 0 or more and scale={scale} above 0')
        self.max_margin = max_margin
        self.scale = scale
        self.reduction = check_reduction(reduction)
        self.loss_weight = loss_weight
        self.class_weights: Optional[Tensor] = None

    def margins(self) -> Tensor:
        """Margins m_c, shape (C, ), float32; that of a class without training images is 0."""
        counts = self.known_class_counts().float()
        # Without picking elements, whose number a GPU would be waited for.
        counts = torch.where(counts > 0, counts, torch.inf)
        return self.max_margin * (counts.min() / counts) ** 0.25

    def set_class_weights(self, weights: Optional[Tensor]) -> None:
        """Weight the classes from now on, with weights of shape (C, ); None ends it.

        Raises:
            InputError: If there is not one weight for each class.
        """
        if weights is not None:
            classes = len(self.known_class_counts())
            if weights.shape != (classes,):
                raise InputError(
                    f'class weights have shape {tuple(weights.shape)}, needed is ({classes},)'
                )
            weights = weights.to(self.class_counts.device, torch.float32)
        self.class_weights = weights

    def forward(
        self,
        cls_score: Tensor,
        target: Tensor,
        weight: Optional[Tensor] = None,
        avg_factor: Optional[float] = None,
        reduction_override: Optional[str] = None,
        **kwargs,
    ) -> Tensor:
        """Loss of scaled cosines.

        Args:
            cls_score (Tensor): Scores s·q_c, shape (N, C).
            target (Tensor): Labels, shape (N, ).
            weight (Tensor, optional): Weight of each sample, shape (N, ).
            avg_factor (float, optional): What the sum is divided by with 'mean'.
            reduction_override (str, optional): 'mean', 'sum' or 'none' instead of ``reduction``.

        Raises:
            InputError: For soft labels, or unknown class counts.
        """
        if target.is_floating_point():
            raise InputError(
                f'LDAMLoss got soft labels of shape {tuple(target.shape)}: a margin needs one '
                'class per image; take mixup and cutmix out of the data preprocessor'
            )
        margin = self.scale * self.margins()[target]
        scores = cls_score.float().scatter_add(1, target[:, None], -margin[:, None])
        loss = F.cross_entropy(scores, target, reduction='none')
        reduction = check_reduction(reduction_override or self.reduction, 'reduction_override')
        if self.class_weights is not None:
            balance = self.class_weights[target]
            if reduction == 'mean':
                # Mean 1 over the batch: the mean is then the one over the sum of the weights.
                balance = balance / balance.mean()
            loss = loss * balance
        of_class = self.weight_of_classes(cls_score.shape[1])
        if of_class is not None:
            loss = loss * of_class[target]
        return self.loss_weight * reduce_loss(loss, weight, reduction, avg_factor)
