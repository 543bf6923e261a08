"""RCLHead: classifier, projector, prototypes and the two branches of the loss."""

import logging
from typing import Any, Dict, List, Optional, Tuple

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from mmengine.registry import MODELS
from mmpretrain.evaluation.metrics import Accuracy
from mmpretrain.models.heads import ClsHead
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from rcl_mm.errors import InputError
from rcl_mm.functional import at_least_float32, similarity_scales
from rcl_mm.models.projectors import ContrastiveProjector, CosineClassifier
from rcl_mm.models.similarity_stats import similarity_stats

CLASSIFIERS = ('linear', 'cosine', None)
PROTOTYPES = ('projected', 'learnable', None)


@MODELS.register_module()
class RCLHead(ClsHead):
    """Head of Rebalanced Contrastive Learning (arXiv 2312.01753) under any ``ImageClassifier``.

    :class:`MultiViewDataPreprocessor` stacks the V views of N images view by view, so that backbone
    and neck need no change; the head takes them apart again by V = rows / labels::

        V = 3 (BCL):   [ view 0, strong  | view 1 | view 2 ]     V = 2:  [  view 0 | view 1  ]
                         classifier        contrastive                     both branches

    Args:
        num_classes (int): Number of classes C.
        in_channels (int): Channels d of the backbone features.
        embedding_dim (int): Dimension D of the embeddings. Defaults to 128.
        hidden_dim (int, optional): Hidden width of projector and prototype MLP.
            Defaults to ``in_channels``.
        classifier (str, optional): 'linear', 'cosine', or None for standalone RCL, which predicts
            the class of the most similar prototype. Defaults to 'linear'.
        classifier_scale (float): Scale of the cosine classifier. Defaults to 30.
        prototypes (str, optional): 'projected' (an MLP on the classifier's weights, BCL's class
            complement), 'learnable' (C free vectors), or None. Defaults to 'projected'.
        norm_cfg (dict, optional): Norm of the two MLPs. Defaults to ``dict(type='BN1d')``.
        loss (dict): Config of :class:`RCLLoss`. Defaults to ``dict(type='RCLLoss')``.
        output_features (bool): Give ``feature`` (d, ) and ``embedding`` (D, ) in each predicted
            data sample. Defaults to False.
        init_cfg (dict, optional): Defaults to normal weights of std 0.01 for the classifier.
        **kwargs: ``topk`` and ``cal_acc`` of :class:`mmpretrain.models.ClsHead`.

    Raises:
        InputError: For unknown options or a combination that cannot train.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        embedding_dim: int = 128,
        hidden_dim: Optional[int] = None,
        classifier: Optional[str] = 'linear',
        classifier_scale: float = 30.0,
        prototypes: Optional[str] = 'projected',
        norm_cfg: Optional[dict] = None,
        loss: Optional[dict] = None,
        output_features: bool = False,
        init_cfg: Optional[dict] = None,
        **kwargs,
    ) -> None:
        if num_classes < 1:
            raise InputError(f'num_classes={num_classes} must be a positive integer')
        if classifier not in CLASSIFIERS:
            raise InputError(f'classifier={classifier!r} is unknown, allowed: {CLASSIFIERS}')
        if prototypes not in PROTOTYPES:
            raise InputError(f'prototypes={prototypes!r} is unknown, allowed: {PROTOTYPES}')
        if classifier is None and prototypes != 'learnable':
            raise InputError(
                f'classifier=None with prototypes={prototypes!r} predicts nothing: standalone RCL '
                "needs prototypes='learnable'"
            )
        loss = dict(type='RCLLoss') if loss is None else loss
        if isinstance(loss, dict):
            kind = loss.get('type')
            _require_parts(MODELS.get(kind) if isinstance(kind, str) else kind, kind)
            loss = {**loss, 'num_classes': loss.get('num_classes') or num_classes}
        if init_cfg is None and classifier == 'linear':
            init_cfg = dict(type='Normal', override=dict(name='fc'), layer=[], std=0.01)
        super().__init__(loss=loss, init_cfg=init_cfg, **kwargs)
        loss = self.loss_module
        _require_parts(loss, type(loss).__name__)
        loss.require_contrastive(loss.reduction, loss.ignore_index)
        if not loss.con_weight and (classifier is None or not loss.cls_weight):
            raise InputError(
                f'RCLHead with classifier={classifier!r}, cls_weight={loss.cls_weight} and '
                f'con_weight={loss.con_weight} has nothing to train: set one of the weights above 0'
            )
        if classifier is not None and not loss.cls_weight:
            print_log(
                'RCLHead: cls_weight=0 leaves the classifier without a loss of its own, and it '
                "predicts; standalone RCL is classifier=None, prototypes='learnable'",
                'current',
                logging.WARNING,
            )
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.embedding_dim = embedding_dim
        self.output_features = output_features
        if classifier == 'cosine':
            self.fc = CosineClassifier(in_channels, num_classes, classifier_scale)
        else:
            self.fc = None if classifier is None else nn.Linear(in_channels, num_classes)
        self.projector = ContrastiveProjector(in_channels, embedding_dim, hidden_dim, norm_cfg)
        self.prototype_projector = self.prototype_vectors = None
        if prototypes == 'projected':
            self.prototype_projector = ContrastiveProjector(
                in_channels, embedding_dim, hidden_dim, norm_cfg
            )
        elif prototypes == 'learnable':
            self.prototype_vectors = nn.Parameter(torch.randn(num_classes, embedding_dim))
        self._freeze_parts_without_loss()

    def _freeze_parts_without_loss(self) -> None:
        """Parts that no loss reaches need no gradient, for which distributed training would wait.

        They stay in the model and in its optimizer, so that checkpoints fit whatever the weights.
        """
        if not self.loss_module.con_weight:
            for part in (self.projector, self.prototype_projector):
                if part is not None:
                    part.requires_grad_(False)
            if self.prototype_vectors is not None:
                self.prototype_vectors.requires_grad_(False)
        if self.fc is not None and not self.loss_module.cls_weight:
            self.fc.requires_grad_(False)
            # Prototypes are made of the weights, not of the bias.
            self.fc.weight.requires_grad_(self.prototype_projector is not None)

    def pre_logits(self, feats: Tuple[Tensor]) -> Tensor:
        """Features (rows, d) of the last stage: pooled maps, or the class token of a ViT."""
        features = feats[-1] if isinstance(feats, (tuple, list)) else feats
        if isinstance(features, (tuple, list)):
            features = features[-1]
        if features.ndim == 4:
            features = features.mean(dim=(2, 3))
        if features.ndim != 2 or features.shape[1] != self.in_channels:
            raise InputError(
                f'RCLHead got features of shape {tuple(features.shape)}, needed is '
                f'(rows, {self.in_channels}): set in_channels, or add a neck that pools'
            )
        return features

    def prototypes(self) -> Optional[Tensor]:
        """Unit-norm class prototypes, shape (C, D), or None."""
        if self.prototype_projector is not None:
            return self.prototype_projector(self.fc.weight)
        if self.prototype_vectors is not None:
            return F.normalize(at_least_float32(self.prototype_vectors), dim=1)
        return None

    def forward(self, feats: Tuple[Tensor]) -> Tensor:
        """Class scores (rows, C): the classifier's, or standalone the scaled similarities."""
        return self._scores(self.pre_logits(feats))

    def loss(
        self, feats: Tuple[Tensor], data_samples: List[DataSample], **kwargs
    ) -> Dict[str, Tensor]:
        """Both branches' losses, weighted, and similarity statistics for the log.

        Args:
            feats (tuple[Tensor]): Features of the stacked views, last item (V * N, d).
            data_samples (list[DataSample]): N samples with ``gt_label``.

        Returns:
            dict[str, Tensor]: ``loss_cls`` and ``loss_con`` with their weights in, accuracy with
            ``cal_acc``, and the statistics of :func:`similarity_stats`.

        Raises:
            InputError: For soft labels, or rows that are not two or three views of the labels.
        """
        features = self.pre_logits(feats)
        labels = self._hard_labels(data_samples)
        for_classifier, for_contrast = self._take_views_apart(features, len(labels))
        loss = self.loss_module
        losses = {}
        if self.fc is not None and loss.cls_weight:
            scores = self._scores(for_classifier)
            target = labels.repeat(len(scores) // len(labels))
            value = loss.classification(scores, target, avg_factor=len(scores), **kwargs)
            losses['loss_cls'] = loss.loss_weight * loss.cls_weight * value
            if self.cal_acc:
                accuracies = Accuracy.calculate(scores, target, topk=self.topk)
                losses.update({f'accuracy_top-{k}': a for k, a in zip(self.topk, accuracies)})
        if loss.con_weight:
            embeddings = self.projector(for_contrast)
            target = labels.repeat(len(embeddings) // len(labels))
            prototypes = self.prototypes()
            value = loss.contrastive(embeddings, target, prototypes)
            losses['loss_con'] = loss.loss_weight * loss.con_weight * value
            losses.update(similarity_stats(embeddings.detach(), target, len(labels)))
        return losses

    def predict(
        self,
        feats: Tuple[Tensor],
        data_samples: Optional[List[Optional[DataSample]]] = None,
    ) -> List[DataSample]:
        """Scores and labels of each image, with its feature and embedding if asked for."""
        features = self.pre_logits(feats)
        predictions = self._get_predictions(self._scores(features), data_samples)
        if self.output_features:
            for sample, feature, embedding in zip(predictions, features, self.projector(features)):
                sample.set_field(feature, 'feature')
                sample.set_field(embedding, 'embedding')
        return predictions

    def _scores(self, features: Tensor) -> Tensor:
        if self.fc is not None:
            return self.fc(features)
        loss = self.loss_module
        _, scale = similarity_scales(loss.temperature, loss.feature_scale, loss.prototype_scale)
        return scale * self.projector(features) @ self.prototypes().T

    @staticmethod
    def _hard_labels(data_samples: List[DataSample]) -> Tensor:
        if 'gt_score' in data_samples[0] and 'gt_label' not in data_samples[0]:
            raise InputError(
                'RCLHead got soft labels (gt_score): the contrastive loss needs one class per '
                'image; take mixup and cutmix out of the data preprocessor'
            )
        labels = torch.cat([sample.gt_label for sample in data_samples])
        if len(labels) != len(data_samples):
            raise InputError(
                f'RCLHead got {len(labels)} labels for {len(data_samples)} images: it is for '
                'single-label data'
            )
        return labels

    @staticmethod
    def _take_views_apart(features: Tensor, labels: int) -> Tuple[Tensor, Tensor]:
        """Rows for the classifier and for the contrastive branch."""
        views, rest = divmod(len(features), labels)
        if rest or views not in (2, 3):
            raise InputError(
                f'RCLHead got {len(features)} feature rows for {labels} labels, needed are two or '
                'three views of each image: use ReproducibleMultiView (or MultiView) in the '
                'training pipeline and MultiViewDataPreprocessor in the model'
            )
        return (features, features) if views == 2 else (features[:labels], features[labels:])


def _require_parts(loss: Any, name: Any) -> None:
    """Refuse a loss, or a class of losses, without the two parts of RCLLoss."""
    if not hasattr(loss, 'classification') or not hasattr(loss, 'contrastive'):
        raise InputError(f'RCLHead needs loss=dict(type="RCLLoss", ...), got {name}')
