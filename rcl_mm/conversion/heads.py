"""From MMPretrain's classification heads to RCLHead."""

from typing import Any, List, NamedTuple, Optional

from mmengine.config import ConfigDict

from rcl_mm.conversion.errors import ConversionError
from rcl_mm.runtime.config_types import type_name

TWO_LOSSES = 'it has two classifiers with a loss each, RCLHead has one'
DISTILLED = (
    'with distillation it has two classifiers, which MMPretrain cannot train either: set '
    'distillation=False in the head and in the backbone'
)
MULTI_LABEL = 'it is for several labels per image, the contrastive loss needs exactly one'

REFUSED = {
    'ConformerHead': TWO_LOSSES,
    'DeiTClsHead': (
        'it has a classifier for each of two tokens; use VisionTransformerClsHead and '
        'VisionTransformer in place of the distilled ones'
    ),
    'ArcFaceClsHead': 'its angular margin already re-balances the classes, two would add up',
    'ClsHead': (
        "the backbone makes the class scores itself, RCLHead needs features: leave the backbone's "
        'own classifier out (num_classes=-1) and use a LinearClsHead'
    ),
    'MultiLabelClsHead': MULTI_LABEL,
    'MultiLabelLinearClsHead': MULTI_LABEL,
    'CSRAClsHead': MULTI_LABEL,
    'MultiTaskHead': 'it has several tasks, each with its own head: convert the head of one task',
}


class ConvertedHead(NamedTuple):
    """An RCLHead and what of the old head stays in front of it."""

    head: ConfigDict
    necks: List[ConfigDict]
    notes: List[str]


def convert_head(head: dict, overrides: Optional[dict] = None, **loss: Any) -> ConvertedHead:
    """RCLHead for a single-label head of MMPretrain.

    The classifier stays linear (or cosine), on the same features. Hidden layers of the old head
    become necks, so that they serve both branches as they served the classifier.

    Args:
        head (dict): Config of the old head.
        overrides (dict, optional): Arguments of RCLHead that win over the ones chosen here.
        **loss: Arguments of RCLLoss.

    Returns:
        ConvertedHead: The new head, necks to append, and notes for the user.

    Raises:
        ConversionError: If the head is unknown or not for one loss on one label per image.
    """
    name = type_name(head)
    if name == 'RCLHead':
        raise ConversionError('head: it is RCLHead already, there is nothing to convert')
    if name in REFUSED:
        raise ConversionError(f'head: {name} cannot be converted: {REFUSED[name]}')
    if name not in CONVERTERS:
        raise ConversionError(
            f'head: {name} is unknown, known are {", ".join(CONVERTERS)}: write '
            "head=dict(type='RCLHead', num_classes=..., in_channels=...) into the config yourself"
        )
    for argument in ('num_classes', 'in_channels'):
        if not isinstance(head.get(argument), int):
            raise ConversionError(f'head: {name} has no integer {argument}: give it')
    necks, notes = CONVERTERS[name](head)
    in_channels = necks[-1]['out_channels'] if necks else head['in_channels']
    num_classes = head['num_classes']
    # C directions fit apart from each other into C - 1 dimensions; BCL's sizes for CIFAR-LT and
    # for ImageNet-LT.
    embedding_dim, hidden_dim = (128, 512) if num_classes <= 128 else (1024, 2048)
    new = ConfigDict(
        type='RCLHead',
        num_classes=num_classes,
        in_channels=in_channels,
        embedding_dim=embedding_dim,
        hidden_dim=hidden_dim,
        classifier='linear',
        loss=dict(type='RCLLoss', **loss),
    )
    if head.get('cal_acc'):
        new.update(cal_acc=True, topk=head.get('topk', (1,)))
    old_loss = head.get('loss') or {}
    dropped = [key for key in ('label_smooth_val', 'class_weight') if old_loss.get(key)]
    if dropped:
        notes.append(
            f'{type_name(old_loss)} with {", ".join(dropped)} is replaced by RCLLoss, which '
            'balances the classes by their counts'
        )
    if name == 'CosineClsHead':
        new.update(classifier='cosine', classifier_scale=head.get('scale', 30.0))
    for key, value in (overrides or {}).items():
        new[key] = {**new[key], **value} if isinstance(value, dict) and key in new else value
    return ConvertedHead(new, necks, notes)


def _linear(head: dict):
    return [], []


def _hidden_layer(in_channels: int, out_channels: int, norm_cfg, act_cfg) -> ConfigDict:
    return ConfigDict(
        type='LinearNeck',
        in_channels=in_channels,
        out_channels=out_channels,
        norm_cfg=norm_cfg,
        act_cfg=act_cfg,
    )


def _stacked(head: dict):
    widths = [head['in_channels'], *head['mid_channels']]
    act_cfg = head.get('act_cfg', dict(type='ReLU'))
    necks = [
        _hidden_layer(before, after, head.get('norm_cfg'), act_cfg)
        for before, after in zip(widths, widths[1:])
    ]
    notes = [f'the {len(necks)} hidden layer(s) of the head are necks now']
    if head.get('dropout_rate'):
        notes.append(f"the head's dropout of {head['dropout_rate']} is left out")
    return necks, notes


def _vision_transformer(head: dict):
    if head.get('hidden_dim') is None:
        return [], []
    act_cfg = head.get('act_cfg', dict(type='Tanh'))
    neck = _hidden_layer(head['in_channels'], head['hidden_dim'], None, act_cfg)
    return [neck], ['the hidden layer of the head is a neck now']


def _vig(head: dict):
    act_cfg = head.get('act_cfg', dict(type='GELU'))
    width = head.get('hidden_dim', 1024)
    neck = _hidden_layer(head['in_channels'], width, dict(type='BN1d'), act_cfg)
    notes = ['the hidden layer of the head is a neck now']
    if head.get('dropout'):
        notes.append(f"the head's dropout of {head['dropout']} is left out")
    return [neck], notes


def _without_distillation(head: dict):
    if head.get('distillation', True):
        raise ConversionError(f'head: {type_name(head)} cannot be converted: {DISTILLED}')
    notes = []
    if type_name(head) == 'LeViTClsHead':
        notes.append("the batch norm before LeViT's classifier is left out")
    return [], notes


CONVERTERS = {
    'LinearClsHead': _linear,
    'CosineClsHead': _linear,
    'StackedLinearClsHead': _stacked,
    'VisionTransformerClsHead': _vision_transformer,
    'VigClsHead': _vig,
    'EfficientFormerClsHead': _without_distillation,
    'LeViTClsHead': _without_distillation,
}
