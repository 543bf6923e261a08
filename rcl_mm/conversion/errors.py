"""Why a config cannot be converted, and reading type names of text and lazy configs alike."""

from typing import Any, Optional

from rcl_mm.errors import InputError


class ConversionError(InputError):
    """A config that cannot be turned into RCL; the message is one line with the reason."""


def type_name(config: Any) -> Optional[str]:
    """Class name of a part's config, without scope or module; None if it is no such config.

    Text configs name a type by a string ('LinearClsHead', 'mmpretrain.LinearClsHead'), lazy
    configs by the class or its dotted path. A prefix with a slash is part of the name
    ('torchvision/RandomCrop').
    """
    kind = config.get('type') if isinstance(config, dict) else None
    if kind is None:
        return None
    if not isinstance(kind, str):
        kind = getattr(kind, '__name__', None) or str(kind)
    prefix, slash, name = kind.rpartition('/')
    return prefix.rpartition('.')[2] + slash + name.rpartition('.')[2]
