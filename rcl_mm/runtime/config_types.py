"""What the ``type`` of a part's config means: one answer for text, dotted paths and classes.

Text configs name a type as it is registered (``'CheckpointHook'``, ``'mmengine.CheckpointHook'``),
new-style configs (``with read_base():``) by the class, and what ``Config.dump`` writes of those by
its dotted path (``'mmengine.hooks.CheckpointHook'``).
"""

import sys
from typing import Any, Optional

from mmengine.config import Config
from mmengine.config.lazy import LazyAttr, LazyObject

from rcl_mm.runtime.building import registries


def type_name(config: Any) -> Optional[str]:
    """The registered name of the class that a part's config means; None if it has no type.

    A class that is not registered, such as a user's own of the same name, gives its dotted path. A
    prefix with a slash is part of the name (``'torchvision/RandomCrop'``).
    """
    kind = dict.get(config, 'type') if isinstance(config, dict) else None
    if isinstance(kind, (LazyObject, LazyAttr)):
        kind = kind.build()
    if isinstance(kind, str):
        kind = _meant(kind)
    return kind if kind is None or isinstance(kind, str) else _name_of(kind)


def is_type(config: Any, *names: str) -> bool:
    """Whether a part's config means one of the classes that are registered by these names."""
    return type_name(config) in names


def use_text_types(cfg: Config) -> None:
    """Name the types of a new-style config by text, as ``Config.dump`` does, in place.

    The other classes and functions among its values stay what they are, in the form that can be
    dumped. What the config imported is no setting and goes.

    Raises:
        ImportError: If a class can not be imported.
    """
    for name in getattr(cfg, '_imported_names', ()):
        dict.pop(cfg._cfg_dict, name, None)
    _with_text_types(cfg._cfg_dict)


def _with_text_types(node: Any) -> Any:
    if isinstance(node, dict):
        for key, value in list(dict.items(node)):
            value = _with_text_types(value)
            if key == 'type' and isinstance(value, (LazyObject, LazyAttr)):
                value.build()  # an import that fails is told now
                value = f'{value.module}.{value}'
            dict.__setitem__(node, key, value)
    elif type(node) in (list, tuple):
        return type(node)(_with_text_types(value) for value in node)
    elif hasattr(node, '__qualname__') and not isinstance(node, (LazyObject, LazyAttr)):
        return LazyObject(node.__module__, node.__qualname__)
    return node


def _meant(text: str) -> Any:
    """The class behind a dotted path, else the name without the scope of a registry.

    Nothing is imported: what is not imported is none of the classes that a caller asks about.
    """
    before, slash, name = text.rpartition('/')
    if slash:
        return before.rpartition('.')[2] + slash + name
    place, _, name = text.rpartition('.')
    found = getattr(sys.modules.get(place), name, None)
    if not place or found is not None:
        return found or name
    scoped = [registry for registry in registries() if registry.scope == place]
    own = [registry.module_dict[name] for registry in scoped if name in registry.module_dict]
    return own[0] if own else name if scoped else text


def _name_of(kind: Any) -> str:
    """The name by which a class or function is registered, else its dotted path."""
    own = getattr(kind, '__name__', str(kind))
    names = [
        name
        for registry in registries()
        for name, registered in registry.module_dict.items()
        if registered is kind
    ]
    if not names:
        return f'{getattr(kind, "__module__", "")}.{own}'
    return own if own in names else names[0]
