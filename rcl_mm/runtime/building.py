"""What MMEngine's registries refuse of a user's settings becomes an :class:`InputError`."""

import difflib
import functools
import inspect
import types
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Union, get_args, get_origin

from mmengine.config import Config
from mmengine.registry import Registry, root

from rcl_mm.errors import InputError

# What building with unusable settings raises; other errors are never a matter of settings alone.
REFUSALS = (
    *(KeyError, IndexError, TypeError, ValueError, AttributeError),
    *(AssertionError, ImportError, RuntimeError),
)
# torch, torchvision, timm and the OpenMMLab libraries: their constructors say with any of these
# errors which values they refuse.
LIBRARIES = ('torch', 'timm', 'mm')
OWN_PACKAGE = __name__.partition('.')[0]
#: Registries whose classes, in these libraries and here, hand what they do not know to those that
#: they inherit from and to nothing else.
KEPT_IN_FAMILY = ('dataset', 'parameter scheduler', 'param_scheduler')
#: What a registry takes out of a config before it calls the class.
NO_ARGUMENTS = ('type', '_scope_')
UNIONS = (Union, types.UnionType)
#: Kinds that stand for each other: libraries write int where a float does.
INTERCHANGED = ((str,), (dict,), (int, float, bool))
TELLING = {int, float, bool, str, dict, type(None)}


@contextmanager
def refusing_settings_clearly() -> Iterator[None]:
    """While inside, registries raise an ``InputError`` for settings that they can not build from.

    A registry is the one place where MMEngine gives a user's words to a class. There it can be told
    by its inputs whether an error is about them: an unknown type, an argument that the class does
    not have, or a value that a class of a library refuses. A class of this package raises an
    ``InputError`` itself, so its other errors stay as they are, and so do those of a user's class.
    """
    before: Dict[Registry, Callable] = {one: one.build_func for one in registries()}
    judged: List[BaseException] = []
    for registry, build in before.items():
        registry.build_func = _judging(build, judged)
    try:
        yield
    finally:
        for registry, build in before.items():
            registry.build_func = build


def registries() -> Iterator[Registry]:
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


def check_part(
    place: str,
    cfg: dict,
    registry: Registry,
    scope: Optional[str] = None,
    beside: Optional[Tuple[str, ...]] = (),
) -> None:
    """Refuse the config of a part that its registry could not build, before anything is built.

    Args:
        place (str): Dotted name of the setting, for the message.
        cfg (dict): Config of the part.
        registry (Registry): What builds it.
        scope (str, optional): The config's ``default_scope``.
        beside (tuple[str], optional): What may stand beside the arguments of the class; None where
            only the type is to be checked.

    Raises:
        InputError: For an unknown type, for arguments that it does not have, and for values whose
            kind is not that of its type hints.
    """
    kind, problem = class_of(cfg, registry, scope)
    if problem is None and beside is not None:
        problem = _unknown_argument(kind, cfg, registry, beside) or _wrong_kind(kind, cfg)
    if problem is not None:
        raise InputError(f'{place}: {problem}')


def class_of(cfg: dict, registry: Registry, scope: Optional[str]) -> Tuple[Any, Optional[str]]:
    """What the type of a part's config stands for, and what is wrong with it (None: nothing)."""
    kind = cfg.get('type')
    if kind is None:
        text = (
            f'{dict(cfg)!r} has no type: give the name of a class in the {registry.name} registry'
        )
        return None, text
    if not isinstance(kind, str):
        return (kind, None) if callable(kind) else (None, f'type is {kind!r}, allowed is a name')
    with registry.switch_scope_and_registry(cfg.get('_scope_', scope)) as scoped:
        found = scoped.get(kind)
        # A name with dots, or that of a module, is looked up in modules, too.
        if callable(found):
            return found, None
        known = [*scoped.module_dict, *(scoped.parent.module_dict if scoped.parent else ())]
        close = difflib.get_close_matches(kind, known, 1)
        hint = f'did you mean {close[0]}?' if close else 'correct it or import its module'
        return None, f'{kind} is not in the {scoped.scope}::{scoped.name} registry: {hint}'


def _refused(cfg: Any, registry: Registry, error: Exception) -> Optional[str]:
    """What is wrong with the config of a part that could not be built; None if nothing is."""
    if isinstance(cfg, Config):  # of a whole run, see RUNNERS
        cfg = {**cfg, 'type': cfg.get('runner_type', 'Runner')}
    if not isinstance(cfg, dict):
        return f'{cfg!r} is given for a part of the {registry.name} registry: give a dict(type=...)'
    kind, problem = class_of(cfg, registry, None)
    if problem is not None:
        return problem
    name = getattr(kind, '__name__', str(kind))
    of_library = str(getattr(kind, '__module__', '')).startswith(LIBRARIES)
    if isinstance(error, TypeError):
        problem = _refused_arguments(kind, cfg, str(error))
    problem = problem or _wrong_kind(kind, cfg)
    if problem is None and (of_library or isinstance(error, ImportError)):
        reason = error.args[0] if isinstance(error, KeyError) and error.args else error
        problem = f'{name} can not be built with these settings: {reason}'
    return problem


def _refused_arguments(kind: Any, cfg: dict, message: str) -> Optional[str]:
    """What is wrong with the names of the arguments in a config, by the error that they led to."""
    given = [key for key in cfg if key not in NO_ARGUMENTS]
    for key in given:
        # Also where a class hands what it does not know to the class that it inherits from.
        if f"unexpected keyword argument '{key}'" in message:
            return _no_such_argument(kind, key)
    if 'required positional argument' in message or 'required keyword-only argument' in message:
        missing = [key for key in _parameters(kind) if f"'{key}'" in message and key not in given]
        if missing:
            return f'{kind.__name__} needs {", ".join(missing)}: add it'
    return None


def _no_such_argument(kind: Any, key: str) -> str:
    allowed = list(_parameters(kind))
    close = difflib.get_close_matches(key, allowed, 1)
    hint = f'did you mean {close[0]}?' if close else f'allowed are {", ".join(allowed)}'
    return f"{kind.__name__}() got an unexpected keyword argument '{key}': {hint}"


def _takes_any(maker: Callable) -> bool:
    parameters = inspect.signature(maker).parameters.values()
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


def _family_is_closed(kind: Any) -> bool:
    """Whether the first of the classes that a class inherits from names all that it takes."""
    makers = [one for one in inspect.getmro(kind)[:-1] if '__init__' in vars(one)]
    known = all(one.__module__.startswith((*LIBRARIES, OWN_PACKAGE)) for one in makers)
    return known and not _takes_any(makers[-1].__init__)


def _unknown_argument(
    kind: Any, cfg: dict, registry: Registry, beside: Tuple[str, ...]
) -> Optional[str]:
    """The first argument that a class can not take; None where its signature does not tell."""
    maker = kind.__init__ if inspect.isclass(kind) else kind
    if hasattr(maker, '__wrapped__') or not hasattr(kind, '__name__'):
        return None
    if _takes_any(maker) and not (registry.name in KEPT_IN_FAMILY and _family_is_closed(kind)):
        return None
    known = {*_parameters(kind), *NO_ARGUMENTS, *beside}
    for key in cfg:
        if key not in known:
            return _no_such_argument(kind, key)
    return None


def _wrong_kind(kind: Any, cfg: dict) -> Optional[str]:
    """The first text, number or dict given for an argument whose type hint has only others of them.

    Other hints do not tell: those of libraries are often narrower than what a class takes, such as
    an int where a sequence of them does as well.
    """
    for key, parameter in _parameters(kind).items():
        if key not in cfg or not isinstance(cfg[key], (str, int, float, dict)):
            continue
        hint = parameter.annotation
        kinds = set(get_args(hint) if get_origin(hint) in UNIONS else (hint,))
        # Text does for a flag in many a class: bias='qv_bias'.
        if not kinds or not kinds <= TELLING or kinds == {bool}:
            continue
        given = next(one for one in INTERCHANGED if isinstance(cfg[key], one))
        if not kinds & set(given):
            names = ' or '.join(sorted(one.__name__ for one in kinds - {type(None)}))
            return f'{kind.__name__}: {key} is {cfg[key]!r}, allowed is {names}'
    return None


def _parameters(kind: Any) -> Dict[str, inspect.Parameter]:
    """Arguments of a class and of those it inherits from, or of a function, by name."""
    makers = (
        [one.__init__ for one in inspect.getmro(kind)[:-1]] if inspect.isclass(kind) else [kind]
    )
    found: Dict[str, inspect.Parameter] = {}
    for maker in makers:
        for name, parameter in inspect.signature(maker).parameters.items():
            if name != 'self' and parameter.kind not in (
                parameter.VAR_POSITIONAL,
                parameter.VAR_KEYWORD,
            ):
                found.setdefault(name, parameter)
    return found
