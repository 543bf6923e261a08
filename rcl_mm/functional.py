"""The maths of Rebalanced Contrastive Learning: pure functions on tensors.

No registry, no config, no runner: usable from any PyTorch loop. Equations and notation follow
De Alvis, Denipitiyage, Seneviratne, "Long-Tail Learning with Rebalanced Contrastive Loss",
arXiv 2312.01753, read in the notation of BCL (Zhu et al., CVPR 2022); docs/method.md derives them.

For an anchor i with label y_i, positives P(i) and keys k (the other embeddings of the batch and the
class prototypes)::

    L_i = logsumexp_{k != i} ( s_ik + gamma log n_{y_k} - log|B_{y_k} \\ {i}| )
          - gamma log n_{y_i} - mean_{p in P(i)} s_ip

    s_ik = s^2 u_i.u_k / tau for embeddings,  s s_p u_i.c_k / tau for prototypes
"""

from typing import Optional, Tuple, Union

import torch
import torch.nn.functional as F
from torch import Tensor

from rcl_mm.class_counts import WAYS_TO_GIVE_COUNTS
from rcl_mm.errors import InputError
from rcl_mm.ops.contrast import contrast_sums
from rcl_mm.ops.gather import PADDING_LABEL, gather_embeddings

__all__ = [
    'at_least_float32',
    'balanced_softmax_loss',
    'check_reduction',
    'rebalanced_contrastive_loss',
    'similarity_scales',
]

REDUCTIONS = ('mean', 'sum', 'none')


def rebalanced_contrastive_loss(
    embeddings: Tensor,
    labels: Tensor,
    prototypes: Optional[Tensor] = None,
    class_counts: Optional[Tensor] = None,
    *,
    temperature: float = 0.1,
    feature_scale: float = 1.0,
    prototype_scale: Optional[float] = None,
    prior_power: float = 1.0,
    class_averaging: bool = True,
    gather: bool = False,
    reduction: str = 'mean',
    chunk_size: Optional[int] = None,
) -> Tensor:
    """Rebalanced supervised contrastive loss (METHOD "The loss of anchor i"; arXiv 2312.01753).

    The switches give the published relatives: ``prior_power=0`` is BCL; without prototypes and
    ``class_averaging=False`` it is SupCon's L_out (Khosla et al., 2020).

    Args:
        embeddings (Tensor): Unit-norm embeddings of all contrastive views of the batch, shape
            (M, D). Computed in float32 (float64 stays), also under autocast.
        labels (Tensor): Class of each embedding, shape (M, ), int64.
        prototypes (Tensor, optional): Unit-norm class prototypes, shape (C, D): one more positive
            for each anchor, one more key of each class. Defaults to None.
        class_counts (Tensor, optional): Training images per class, shape (C, ). None is allowed
            with ``prior_power=0`` only. Defaults to None.
        temperature (float): tau > 0. Defaults to 0.1.
        feature_scale (float): s > 0; embeddings and prototypes are multiplied by it, which with
            unit-norm embeddings is the temperature tau / s^2. Defaults to 1.0.
        prototype_scale (float, optional): s_p > 0; prototypes are multiplied by it instead, which
            is no longer a temperature. Defaults to None: s_p = s.
        prior_power (float): gamma >= 0, the strength of the class-frequency balancing.
            Defaults to 1.0.
        class_averaging (bool): Average the denominator's terms within each class, so that
            every class weighs the same however often it is in the batch. Defaults to True.
        gather (bool): Use the embeddings of all ranks as keys, with gradients, when a
            process group is up. The mean is then scaled so that DDP's averaged gradient is the
            gradient of the mean over the global batch. Defaults to False.
        reduction (str): 'mean' (over anchors with a positive), 'sum' or 'none'.
            Defaults to 'mean'.
        chunk_size (int, optional): Anchors per chunk. Below M, the similarity matrix is computed
            again chunk by chunk in the backward pass instead of being kept. None keeps it up to
            18 MiB, and stays below 64 MiB beside inputs and gradients. Defaults to None.

    Returns:
        Tensor: Scalar, or shape (M, ) with ``reduction='none'``. An anchor without a positive
        counts zero and is left out of the mean; without any the loss is 0 with a gradient of 0.

    Raises:
        InputError: For shapes or settings that do not fit, and for labels out of range or with a
            class count of zero. The values of labels are looked at on the CPU only: on an
            accelerator that would make it wait (``ClassCountsHook`` checks them before training).
            An embedding labelled -1 is left out there.

    Example:
        >>> u = F.normalize(torch.randn(8, 16), dim=1)
        >>> prototypes = F.normalize(torch.randn(4, 16), dim=1)
        >>> labels = torch.arange(4).repeat(2)
        >>> loss = rebalanced_contrastive_loss(u, labels, prototypes, torch.tensor([90, 30, 9, 3]))
    """
    class_counts = _as_tensor(class_counts)
    check_reduction(reduction)
    scales = similarity_scales(temperature, feature_scale, prototype_scale)
    _check_contrastive(embeddings, labels, prototypes, class_counts, prior_power)
    with torch.autocast(embeddings.device.type, enabled=False):
        # Keys k: embeddings u of all ranks, then prototypes c. Anchors i: the keys of this rank.
        u, y, first, ranks = at_least_float32(embeddings), labels, 0, 1
        if gather:
            u, y, first, ranks = gather_embeddings(u, y)
        i = slice(first, first + len(labels))
        c = u.new_empty(0, u.shape[1]) if prototypes is None else prototypes.to(u.dtype)
        y_k = torch.cat([y, torch.arange(len(c), device=y.device)])
        is_key = y_k != PADDING_LABEL

        B = _occurrences(y_k).to(u.dtype)  # |B_{y_k}|
        P = (B[i] - 1).clamp(min=1)  # |P(i)|, and |B_{y_k} \ {i}| of the anchor's own class
        log_n = torch.zeros_like(B)  # gamma log n_{y_k}
        if prior_power and class_counts is not None:
            log_n = (prior_power * class_counts.to(u).log())[y_k]
        bias, own_bias = log_n, torch.zeros_like(P)
        if class_averaging:  # - log|B_{y_k} \ {i}|; own_bias is what the keys of y_i have more
            bias, own_bias = log_n - B.log(), (B[i] / P).log()
        bias = bias.masked_fill(~is_key, -torch.inf)
        log_sum_exp, mean_s_ip = contrast_sums(
            u, c, y_k, P, bias, own_bias, first, scales, chunk_size
        )
        counted = (is_key & (B > 1))[: len(y)]  # which of all ranks' anchors have a positive
        return _reduced(log_sum_exp - log_n[i] - mean_s_ip, counted, i, ranks, reduction)


def balanced_softmax_loss(
    scores: Tensor,
    target: Tensor,
    class_counts: Union[Tensor, None],
    reduction: str = 'mean',
    *,
    prior_power: float = 1.0,
) -> Tensor:
    """Balanced softmax cross-entropy CE(l + log n, y) (Ren et al., NeurIPS 2020).

    The same adjustment as Menon et al., "Long-tail learning via logit adjustment", ICLR 2021.
    For training only: inference uses the scores as they are.

    Args:
        scores (Tensor): Class scores l, shape (N, C). Computed in float32 or float64.
        target (Tensor): Labels, shape (N, ) int64, or class probabilities, shape (N, C).
        class_counts (Tensor | None): Training images per class, shape (C, ). None is allowed
            with ``prior_power=0`` only, which is plain cross-entropy.
        reduction (str): 'mean', 'sum' or 'none'. Defaults to 'mean'.
        prior_power (float): Strength of the adjustment. Defaults to 1.0.

    Returns:
        Tensor: Scalar, or shape (N, ) with ``reduction='none'``.

    Raises:
        InputError: For shapes that do not fit, and, on the CPU, for labels out of range or with a
            class count of zero.
    """
    if scores.ndim != 2:
        raise InputError(f'scores must have shape (N, C), got {tuple(scores.shape)}')
    soft = target.is_floating_point()
    if target.shape != (scores.shape if soft else scores.shape[:1]):
        raise InputError(
            f'target has shape {tuple(target.shape)} and type {target.dtype}: with scores of shape '
            f'{tuple(scores.shape)} give (N,) integer labels or (N, C) probabilities'
        )
    check_reduction(reduction)
    class_counts = _as_tensor(class_counts)
    _check_counts(class_counts, scores.shape[1], prior_power, 'scores')
    if not soft:
        _check_label_values(target, scores.shape[1], class_counts if prior_power else None)
    with torch.autocast(scores.device.type, enabled=False):
        scores = at_least_float32(scores)
        log_n = torch.zeros_like(scores[:1])
        if prior_power and class_counts is not None:
            log_n = prior_power * class_counts.to(scores).log()
        if soft:
            target = target.to(scores.dtype)
            # A class without training images has log n = -inf, and -inf times a target of 0 is NaN.
            lowest = torch.finfo(scores.dtype).min / 2
            log_n = torch.where(target == 0, log_n.clamp(min=lowest), log_n)
        return F.cross_entropy(scores + log_n, target, reduction=reduction)


def check_reduction(reduction: str, name: str = 'reduction') -> str:
    """The reduction, if it is one.

    Raises:
        InputError: If it is not 'mean', 'sum' or 'none'; ``name`` says what was given wrong.
    """
    if reduction not in REDUCTIONS:
        raise InputError(f'{name}="{reduction}" is unknown, allowed are {REDUCTIONS}')
    return reduction


def at_least_float32(tensor: Tensor) -> Tensor:
    """The tensor in float32, or as it is in float64."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def similarity_scales(
    temperature: float, feature_scale: float, prototype_scale: Optional[float] = None
) -> Tuple[float, float]:
    """s^2 / tau and s s_p / tau: what products with embeddings and prototypes are multiplied by.

    Raises:
        InputError: If one of the settings is not above 0.
    """
    s, tau = feature_scale, temperature
    s_p = s if prototype_scale is None else prototype_scale
    if not (s > 0 and s_p > 0 and tau > 0):
        raise InputError(
            f'temperature={tau}, feature_scale={s} and prototype_scale={prototype_scale} must all '
            'be above 0 (a prototype_scale of None is feature_scale)'
        )
    return s * s / tau, s * s_p / tau


def _occurrences(labels: Tensor) -> Tensor:
    """How often each label occurs in ``labels``, shape (K, ), whatever their range."""
    ordered = labels.sort().values
    return torch.searchsorted(ordered, labels, right=True) - torch.searchsorted(ordered, labels)


def _reduced(L: Tensor, counted: Tensor, i: slice, ranks: int, reduction: str) -> Tensor:
    """Losses of this rank's anchors, 0 for those that do not count, and their reduction."""
    L = torch.where(counted[i], L, 0)
    if reduction == 'none':
        return L
    if reduction == 'sum':
        return L.sum()
    # Over all ranks' anchors: DDP divides by the number of ranks, hence the factor.
    return L.sum() * ranks / counted.sum().clamp(min=1)


def _as_tensor(class_counts) -> Optional[Tensor]:
    """Counts may come as a list or an array."""
    return None if class_counts is None else torch.as_tensor(class_counts)


def _check_contrastive(embeddings, labels, prototypes, class_counts, prior_power):
    if embeddings.ndim != 2:
        raise InputError(f'embeddings must have shape (M, D), got {tuple(embeddings.shape)}')
    if labels.is_floating_point() or labels.shape != embeddings.shape[:1]:
        raise InputError(
            f'labels must be integers of shape ({len(embeddings)},), got {labels.dtype} of shape '
            f'{tuple(labels.shape)}: the contrastive loss has no soft labels (no mixup or cutmix)'
        )
    if prototypes is not None and prototypes.shape[1:] != embeddings.shape[1:]:
        raise InputError(
            f'prototypes must have shape (C, {embeddings.shape[1]}), got {tuple(prototypes.shape)}'
        )
    num_classes = None if prototypes is None else len(prototypes)
    _check_counts(class_counts, num_classes, prior_power, 'prototypes')
    if num_classes is None and class_counts is not None:
        num_classes = len(class_counts)
    _check_label_values(labels, num_classes, class_counts if prior_power else None)


def _check_counts(class_counts, num_classes, prior_power, other):
    if prior_power < 0:
        raise InputError(f'prior_power={prior_power} must be 0 or more')
    if class_counts is None:
        if prior_power != 0:
            raise InputError(
                f'class_counts are unknown, but prior_power={prior_power} needs them: '
                f'{WAYS_TO_GIVE_COUNTS}'
            )
    elif num_classes is not None and len(class_counts) != num_classes:
        raise InputError(
            f'class_counts has {len(class_counts)} entries, but the {other} have {num_classes} '
            'classes: give one count per class'
        )


def _check_label_values(labels, num_classes, class_counts):
    """Range of labels, and no zero count for a class that appears; only where it costs no wait."""
    if torch.compiler.is_compiling() or labels.device.type != 'cpu' or labels.numel() == 0:
        return
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or (num_classes is not None and high >= num_classes):
        allowed = 'at least 0' if num_classes is None else f'0..{num_classes - 1}'
        raise InputError(f'labels run from {low} to {high}, allowed is {allowed}')
    if class_counts is not None and class_counts.device.type == 'cpu':
        absent = class_counts[labels] <= 0
        if absent.any():
            label = int(labels[absent][0])
            raise InputError(
                f'class {label} is in the batch, but class_counts[{label}] is '
                f'{class_counts[label].item():g}: counts must come from the training set in use'
            )
