"""What MMEngine's registries refuse of a user's settings becomes an :class:`InputError`."""

import difflib
import functools
import inspect
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Optional

from mmengine.registry import Registry, root

from rcl_mm.errors import InputError

# What building with unusable settings raises; other errors are never a matter of settings alone.
REFUSALS = (KeyError, TypeError, ValueError, AssertionError, ImportError)
# torch, torchvision, timm and the OpenMMLab libraries: their constructors say with any of these
# errors which values they refuse.
LIBRARIES = ('torch', 'timm', 'mm')


@contextmanager
def refusing_settings_clearly() -> Iterator[None]:
    """While inside, registries raise an ``InputError`` for settings that they can not build from.

    A registry is the one place where MMEngine gives a user's words to a class. There it can be told
    by its inputs whether an error is about them: an unknown type, an argument that the class does
    not have, or a value that a class of a library refuses. A class of this package raises an
    ``InputError`` itself, so its other errors stay as they are, and so do those of a user's class.
    """
    before: Dict[Registry, Callable] = {one: one.build_func for one in _registries()}
    judged: List[BaseException] = []
    for registry, build in before.items():
        registry.build_func = _judging(build, judged)
    try:
        yield
    finally:
        for registry, build in before.items():
            registry.build_func = build


def _registries() -> Iterator[Registry]:
    """All registries: MMEngine's own and those of the libraries and projects below them."""
    found = [one for one in vars(root).values() if isinstance(one, Registry)]
    while found:
        registry = found.pop()
        found += registry.children.values()
        yield registry


def _judging(build: Callable, judged: List[BaseException]) -> Callable:
    """A build function that turns refused settings into an ``InputError``.

    Args:
        build (Callable): ``build(cfg, *args, registry=..., **kwargs)``.
        judged (list): Holds the last error that was let through, so that the parts around the part
            that it came from do not judge it again.
    """

    @functools.wraps(build)
    def judging_build(cfg: Any, *args: Any, registry: Registry, **kwargs: Any) -> Any:
        try:
            return build(cfg, *args, registry=registry, **kwargs)
        except (InputError, OSError):  # of a file or the network, which are named in it
            raise
        except REFUSALS as error:
            known = any(error is one for one in judged)
            problem = None if known else _refused(cfg, registry, error)
            if problem is None:
                judged[:] = [error]
                raise
            raise InputError(problem) from error

    return judging_build


def _refused(cfg: Any, registry: Registry, error: Exception) -> Optional[str]:
    """What is wrong with the config of a part that could not be built; None if nothing is."""
    if not isinstance(cfg, dict):
        return f'{cfg!r} is given for a part of the {registry.name} registry: give a dict(type=...)'
    kind = cfg.get('type')
    if kind is None:
        return (
            f'{dict(cfg)!r} has no type: give the name of a class in the {registry.name} registry'
        )
    if isinstance(kind, str):
        name = kind
        with registry.switch_scope_and_registry(cfg.get('_scope_')) as scoped:
            kind = scoped.get(name)
            if kind is None:
                close = difflib.get_close_matches(name, [*scoped.module_dict, *_names(scoped)], 1)
                hint = f'did you mean {close[0]}?' if close else 'correct it or import its module'
                return f'{name} is not in the {scoped.scope}::{scoped.name} registry: {hint}'
    name = getattr(kind, '__name__', str(kind))
    if isinstance(error, TypeError):
        return _refused_arguments(name, kind, cfg, str(error))
    of_library = str(getattr(kind, '__module__', '')).startswith(LIBRARIES)
    if of_library or isinstance(error, ImportError):
        reason = error.args[0] if isinstance(error, KeyError) and error.args else error
        return f'{name} can not be built with these settings: {reason}'
    return None


def _names(registry: Registry) -> List[str]:
    return list(registry.parent.module_dict) if registry.parent is not None else []


def _refused_arguments(name: str, kind: Any, cfg: dict, message: str) -> Optional[str]:
    """What is wrong with the names of the arguments in a config."""
    given = [key for key in cfg if key not in ('type', '_scope_')]
    allowed = _parameters(kind)
    for key in given:
        # Also where a class hands what it does not know to the class that it inherits from.
        if f"unexpected keyword argument '{key}'" in message:
            close = difflib.get_close_matches(key, allowed, 1)
            hint = f'did you mean {close[0]}?' if close else f'allowed are {", ".join(allowed)}'
            return f"{name}() got an unexpected keyword argument '{key}': {hint}"
    if 'required positional argument' in message or 'required keyword-only argument' in message:
        missing = [key for key in allowed if f"'{key}'" in message and key not in given]
        if missing:
            return f'{name} needs {", ".join(missing)}: add it to dict(type={name!r}, ...)'
    return None


def _parameters(kind: Any) -> List[str]:
    """Names of the arguments of a class and of those it inherits from, or of a function."""
    makers = (
        [one.__init__ for one in inspect.getmro(kind)[:-1]] if inspect.isclass(kind) else [kind]
    )
    names: Dict[str, None] = {}
    for maker in makers:
        for name, parameter in inspect.signature(maker).parameters.items():
            if name != 'self' and parameter.kind not in (
                inspect.Parameter.VAR_POSITIONAL,
                inspect.Parameter.VAR_KEYWORD,
            ):
                names[name] = None
    return list(names)
