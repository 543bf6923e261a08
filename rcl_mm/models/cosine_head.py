"""A stock classification head on a cosine classifier."""

from typing import Any

from mmengine.registry import MODELS
from mmpretrain.models.heads import LinearClsHead

from rcl_mm.errors import InputError
from rcl_mm.models.projectors import CosineClassifier


@MODELS.register_module()
class CosineClsHead(LinearClsHead):
    """MMPretrain's ``LinearClsHead`` with scores ``scale * cos(f, w_c)`` instead of linear ones.

    The normalised classifier of LDAM (Cao et al., NeurIPS 2019) and of BCL's ImageNet-LT and
    iNaturalist recipes, for the baselines that share their backbone and classifier with RCL.

    Args:
        num_classes (int): Number of classes C.
        in_channels (int): Channels d of the features.
        scale (float): Scale of the cosine. Defaults to 30.
        **kwargs: Arguments of :class:`mmpretrain.models.LinearClsHead`: ``loss``, ``topk``,
            ``cal_acc``, ``init_cfg``.

    Raises:
        InputError: If ``scale`` or ``num_classes`` is not positive.
    """

    def __init__(
        self, num_classes: int, in_channels: int, scale: float = 30.0, **kwargs: Any
    ) -> None:
        if not scale > 0:
            raise InputError(f'scale is {scale}, allowed is above 0')
        super().__init__(num_classes, in_channels, **kwargs)
        self.fc = CosineClassifier(in_channels, num_classes, scale)
