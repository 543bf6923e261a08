"""What a config that comes out of a checkpoint may build.

MMEngine imports and calls whatever a ``type`` names, ``os.system`` as well as ``ImageClassifier``,
and some layers look up other settings by name, too. A config of one's own may do that; one that a
checkpoint brings may not: it builds the registered parts of MMEngine, MMCV, MMPretrain, timm's
wrapper, torch and this package, downloads nothing and reads no file.
"""

import functools
import inspect
import re
import sys
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Optional, Tuple

from mmengine.config import Config
from mmengine.registry import MODELS, TRANSFORMS, WEIGHT_INITIALIZERS, Registry
from mmpretrain.registry import BATCH_AUGMENTS

from rcl_mm.errors import InputError

#: Modules whose registered classes compute and do nothing else.
ALLOWED_MODULES = (
    'rcl_mm.augment',
    'rcl_mm.datasets',
    'rcl_mm.models',
    'mmcv.cnn',
    'mmcv.transforms',
    'mmengine.model',
    'mmengine.utils.dl_utils',
    'mmpretrain.datasets.transforms',
    'mmpretrain.models',
    'torch.nn',
)
#: Modules among these whose classes read files or load models by their names.
REFUSED_MODULES = (
    'mmpretrain.models.classifiers.hugging_face',
    'mmpretrain.models.heads.seq_gen_head',
    'mmpretrain.models.heads.grounding_head',
    'mmpretrain.models.heads.vqa_head',
    'mmpretrain.models.multimodal',
    'mmpretrain.models.retrievers',
    'mmpretrain.models.selfsup',
    'mmpretrain.models.utils.tokenizer',
    'mmpretrain.models.utils.vector_quantizer',
)
SCOPES = ('mmengine', 'mmcv', 'mmpretrain', 'rcl_mm')
REGISTRIES = (MODELS, TRANSFORMS, WEIGHT_INITIALIZERS, BATCH_AUGMENTS)
#: Settings that may name weights: those of the checkpoint come in their place.
WEIGHTS = {'init_cfg': None, 'pretrained': None, 'checkpoint_path': ''}
#: Settings that are looked up or evaluated as names: keys, and what a value has to be.
LOOKED_UP = ('norm_layer', 'padding_mode')
NO_NAME = re.compile(r'[/\\:]')
SIZES = re.compile(r'[0-9]+/[0-9]+')  # ConvMixer's "768/32"
DTYPE = re.compile(r'[a-z]+[0-9]*')
WAY_OUT = 'give the config of its training (--config)'


class UntrustedConfigError(InputError):
    """A checkpoint's config that asks for more than a classifier needs."""


def for_inference(cfg: Config) -> Config:
    """The parts of a recorded config that inference uses, checked.

    Args:
        cfg (Config): As :func:`read_literal_config` reads it.

    Returns:
        Config: Model, preprocessor, test-time augmentation, and of the data loaders the pipelines.

    Raises:
        UntrustedConfigError: If one of them, at any depth, names something that is not on the list,
            an address, or a file.
    """
    parts = {'default_scope': 'mmpretrain'}
    for name in ('model', 'data_preprocessor', 'tta_model', 'tta_pipeline'):
        if cfg.get(name) is not None:
            parts[name] = _checked(cfg[name], name)
    for name in ('test_dataloader', 'val_dataloader', 'train_dataloader'):
        steps = _pipeline(cfg.get(name))
        try:
            steps = steps and _checked(steps, f'{name}.pipeline')
        except UntrustedConfigError:
            # Nothing of it is built, and one's own augmentation is no reason to refuse.
            if name != 'train_dataloader':
                raise
            steps = None
        if steps:
            parts[name] = dict(dataset=dict(pipeline=steps))
    return Config(parts)


def _pipeline(loader: Any) -> Any:
    """The pipeline of the innermost data set of a loader's config."""
    while isinstance(loader, dict) and isinstance(loader.get('dataset'), dict):
        loader = loader['dataset']
    return loader.get('pipeline') if isinstance(loader, dict) else None


def _checked(node: Any, where: str) -> Any:
    """A copy of a part of a config without names of weights; raises for what is not allowed."""
    if isinstance(node, dict):
        if '_scope_' in node and node['_scope_'] not in SCOPES:
            raise _refusal(where, '_scope_', node['_scope_'])
        if 'type' in node and find_allowed(node['type']) is None:
            raise _refusal(where, 'type', node['type'])
        return {key: _checked_setting(key, value, where) for key, value in node.items()}
    if isinstance(node, (list, tuple, set)):
        return type(node)(_checked(value, where) for value in node)
    if isinstance(node, str) and NO_NAME.search(node) and not SIZES.fullmatch(node):
        what = f'names "{node[:80]}", a file or an address'
        raise UntrustedConfigError(f'{where} {what}: {WAY_OUT}')
    return node


def _checked_setting(key: Any, value: Any, where: str) -> Any:
    inside = f'{where}.{key}'
    if key in ('type', '_scope_'):
        return value
    if key in WEIGHTS:
        if isinstance(value, (dict, list, tuple)):
            _checked(_without_addresses(value), inside)
        return False if isinstance(value, bool) else WEIGHTS[key]
    if key == 'class_counts' and isinstance(value, str):
        # The counts are in the checkpoint, not in a file.
        return 'auto'
    if key in ('backend_args', 'file_client_args') and value is not None:
        return dict(backend='local') if key == 'backend_args' else None
    if key in LOOKED_UP and isinstance(value, str) and not _is_padding(key, value):
        if find_allowed(value) is None:
            raise _refusal(where, key, value)
    if key == 'targets' and isinstance(value, list):
        # LoRA: ends of layers' names, which are not built.
        ends = [one.get('type') if isinstance(one, dict) else one for one in value]
        if all(isinstance(end, str) and end.isidentifier() for end in ends):
            return value
    # MMPretrain evaluates it as Python.
    if key == 'dtype' and isinstance(value, str) and not DTYPE.fullmatch(value):
        raise _refusal(where, key, value)
    if key == 'margins' and isinstance(value, str):
        raise _refusal(where, key, value)
    return _checked(value, inside)


def _is_padding(key: str, value: str) -> bool:
    return key == 'padding_mode' and value in (
        *('zeros', 'zero', 'circular', 'reflect', 'replicate'),
        *('constant', 'edge', 'symmetric'),
    )


def _without_addresses(node: Any) -> Any:
    """The same without its texts, of which only the types matter: nothing of it is used."""
    if isinstance(node, dict):
        return {
            key: value if key in ('type', '_scope_') else _without_addresses(value)
            for key, value in node.items()
        }
    if isinstance(node, (list, tuple)):
        return [_without_addresses(value) for value in node]
    return None


def _refusal(where: str, key: str, value: Any) -> UntrustedConfigError:
    return UntrustedConfigError(
        f'{where} has {key}={value!r:.80}, which is not a registered part of MMEngine, MMCV, '
        f'MMPretrain or rcl_mm that a checkpoint may ask for: {WAY_OUT}'
    )


def find_allowed(name: Any, registries: Tuple[Registry, ...] = REGISTRIES) -> Optional[Callable]:
    """The registered class that a ``type`` names, without importing anything by that name.

    Args:
        name: A registered name, with or without scope, or the full path of a registered class.
        registries (tuple[Registry]): Where to look, with their relatives.

    Returns:
        The class; None if there is none, or it is not allowed.
    """
    if not isinstance(name, str):
        return None
    prefix, _, last = ('', '', name) if '/' in name else name.rpartition('.')
    for registry in registries:
        for one in _family(registry):
            found = one.module_dict.get(name) or one.module_dict.get(last)
            if found is None or not _is_allowed(found):
                continue
            if not prefix or name in one.module_dict or prefix in ('mmengine', 'mmpretrain'):
                return found
            # Where a class is defined, or a package above that hands it on.
            if getattr(sys.modules.get(prefix), last, None) is found:
                return found
    return None


def _family(registry: Registry) -> Iterator[Registry]:
    """MMPretrain's registry, then the one of MMEngine that it is a child of."""
    root = registry
    while root.parent is not None:
        root = root.parent
    child = root.children.get('mmpretrain')
    for one in (child, root):
        if one is not None:
            one.import_from_location()
            yield one


def _is_allowed(part: Any) -> bool:
    while isinstance(part, functools.partial):
        part = part.func
    module = f'{getattr(part, "__module__", "")}.'

    def inside(modules: Tuple[str, ...]) -> bool:
        return module.startswith(tuple(f'{one}.' for one in modules))

    return inspect.isclass(part) and inside(ALLOWED_MODULES) and not inside(REFUSED_MODULES)


@contextmanager
def only_registered() -> Iterator[None]:
    """Let MMEngine's registries find nothing but allowed classes, whoever asks them.

    Layers look up settings of other names, too (``ConvModule`` its ``padding_mode``), which a
    check of the config can not know all.
    """
    original = Registry.get

    def get(registry: Registry, key: str) -> Optional[Callable]:
        found = find_allowed(key, (registry,))
        if found is None:
            raise UntrustedConfigError(f'it asks for {key!r:.80}, which is not allowed: {WAY_OUT}')
        return found

    Registry.get = get
    try:
        yield
    finally:
        Registry.get = original
