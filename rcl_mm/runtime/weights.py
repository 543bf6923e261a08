"""Whether the weights of a checkpoint are those of a model."""

import re
from collections import OrderedDict
from typing import Any, Dict, List

from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn

from rcl_mm.runtime.checkpoint import CheckpointError

#: What torch's wrappers put into the names of weights.
WRAPPERS = re.compile(r'^module\.|_orig_mod\.|_fsdp_wrapped_module\.|_checkpoint_wrapped_module\.')
#: Kept for training, or counted only: an older checkpoint may have more or fewer of them.
NO_WEIGHTS = re.compile(r'(^|\.)(class_counts|num_batches_tracked)$')
SHOWN = 3


def weights_of(checkpoint: Any, source: str) -> Dict[str, Tensor]:
    """The weights in a checkpoint: ``state_dict``, or all of it if it has nothing else.

    Raises:
        CheckpointError: If there are none, with what there is.
    """
    wanted = 'needed is a state_dict of tensors, as tools/train.py writes it: give another file'
    if not isinstance(checkpoint, dict):
        raise CheckpointError(f'"{source}" holds a {type(checkpoint).__name__}, {wanted}')
    weights = checkpoint.get('state_dict', checkpoint)
    if not isinstance(weights, dict) or not weights:
        what = 'is empty' if weights == {} else f'is a {type(weights).__name__}'
        raise CheckpointError(f'the state_dict of "{source}" {what}, {wanted}')
    others = [
        key
        for key, value in weights.items()
        if not isinstance(key, str)
        or not (isinstance(value, Tensor) or key.endswith('_extra_state'))
    ]
    if others:
        what = f'has {str(others[0])[:60]!r}, which is no tensor'
        raise CheckpointError(f'the state_dict of "{source}" {what}: {wanted}')
    meta = checkpoint.get('meta')
    if 'state_dict' in checkpoint and not isinstance(meta, (dict, type(None))):
        kind = type(meta).__name__
        raise CheckpointError(
            f'meta of "{source}" is a {kind}, needed is a dict: give another file'
        )
    return weights


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside of wrappers for several processes and test-time augmentation."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def renamed_for(model: nn.Module, weights: Dict[str, Tensor]) -> Dict[str, Tensor]:
    """Weights under the model's names, whatever wrappers either of them was saved or built with."""
    own = {WRAPPERS.sub('', name): name for name in model.state_dict()}
    names = {name: WRAPPERS.sub('', name) for name in weights}
    return _like(weights, {own.get(plain, plain): weights[name] for name, plain in names.items()})


def _like(weights: Dict[str, Tensor], chosen: Dict[str, Tensor]) -> Dict[str, Tensor]:
    """The chosen ones with the versions of modules that torch keeps beside all weights."""
    chosen = OrderedDict(chosen)
    if hasattr(weights, '_metadata'):
        chosen._metadata = weights._metadata
    return chosen


def load_all_weights(model: nn.Module, weights: Dict[str, Tensor], source: str) -> None:
    """Load weights that must be those of the model, each of them.

    Args:
        model (nn.Module): Without wrappers, see :func:`unwrapped`.
        weights (dict[str, Tensor]): Of the checkpoint.
        source (str): Path of the checkpoint, for the message.

    Raises:
        CheckpointError: If weights are missing, too many or of other shapes, with how many and the
            first ones. Class counts are no weights.
    """
    weights = renamed_for(model, weights)
    before = model.state_dict()
    # Counts of another length are no sign of another model.
    fitting = {
        name: value
        for name, value in weights.items()
        if not NO_WEIGHTS.search(name) or (name in before and before[name].shape == value.shape)
    }
    weights = _like(weights, fitting)
    shapes: List[str] = []
    try:
        wrong = model.load_state_dict(weights, strict=False)
    except RuntimeError:
        # Names with other shapes; what a model resizes by itself raises nothing.
        shapes = [
            f'{name} has shape {tuple(value.shape)}, the model has {tuple(before[name].shape)}'
            for name, value in weights.items()
            if name in before and value.shape != before[name].shape
        ]
        names = set(weights)
        missing = [name for name in before if name not in names]
        unexpected = [name for name in weights if name not in before]
    else:
        missing, unexpected = wrong.missing_keys, wrong.unexpected_keys
    missing = [name for name in missing if not NO_WEIGHTS.search(name)]
    unexpected = [name for name in unexpected if not NO_WEIGHTS.search(name)]
    problems = [
        f'{len(names)} weights {what} ({", ".join(names[:SHOWN])}{", ..." * (len(names) > SHOWN)})'
        for names, what in ((missing, 'are missing'), (unexpected, 'are too many'))
        if names
    ]
    problems += shapes[:1]
    if problems:
        raise CheckpointError(
            f'"{source}" is not of this model: {"; ".join(problems)}: give its own config, or a '
            'checkpoint of this one'
        )


def require_any_weight(model: nn.Module, weights: Dict[str, Tensor], source: str) -> None:
    """Refuse weights to begin a training with of which not one is the model's.

    Raises:
        CheckpointError: If no name with its shape is.
    """
    own = model.state_dict()
    plain = renamed_for(model, weights)
    parts = set(plain) & {name for name in own if not NO_WEIGHTS.search(name)}
    if not any(plain[name].shape == own[name].shape for name in parts):
        raise CheckpointError(
            f'"{source}" has no weight of this model: it has {_some(plain)}, the model '
            f'{_some(own)}: give another load_from, or load a part by init_cfg with a prefix'
        )


def _some(names: Dict[str, Any]) -> str:
    return f'{", ".join(list(names)[:SHOWN])}, ...'
