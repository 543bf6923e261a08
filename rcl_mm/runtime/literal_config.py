"""Reading the config that a checkpoint records, without executing it.

MMEngine writes the config of a run into its checkpoints as Python source. ``Config.fromstring``
would execute it: fine for a config of one's own, but a checkpoint may come from anyone. The text
that MMEngine writes is made of assignments of plain values only, so it can be read as data.
"""

import ast
from typing import Any, Dict, List

from mmengine.config import Config

from rcl_mm.errors import InputError


def read_literal_config(text: str) -> Config:
    """The config that ``Config.pretty_text`` wrote, read as data.

    Args:
        text (str): Assignments ``name = value``, where a value is a number, a text, True, False,
            None, or a list, tuple, set, dict or ``dict(...)`` of values.

    Returns:
        Config: The config.

    Raises:
        InputError: If the text has anything else in it, with the line.
    """
    try:
        body = ast.parse(text).body
    except SyntaxError as error:
        raise InputError(f'line {error.lineno} of the config is not Python: {error.msg}') from None
    except (MemoryError, RecursionError):
        raise InputError('the config is nested too deep') from None
    try:
        return Config(_settings(body))
    except (TypeError, KeyError, MemoryError, RecursionError) as error:
        # A list as a key, a name that MMEngine keeps for itself, or too deep.
        reason = ' '.join(str(error).split()) or type(error).__name__
        raise InputError(f'the config is no config: {reason}') from None


def _settings(body: List[ast.stmt]) -> Dict[str, Any]:
    settings = {}
    for node in body:
        if not (
            isinstance(node, ast.Assign)
            and len(node.targets) == 1
            and isinstance(node.targets[0], ast.Name)
        ):
            raise _refusal(node)
        settings[node.targets[0].id] = _value(node.value)
    return settings


def _value(node: ast.expr) -> Any:
    """The plain value of an expression."""
    if isinstance(node, ast.Call):
        # `dict(a=1)`, and `dict({'.a': 1})` for keys that are no names.
        is_dict = isinstance(node.func, ast.Name) and node.func.id == 'dict'
        if not is_dict or not (not node.args or isinstance(node.args[0], ast.Dict)):
            raise _refusal(node)
        items = {_keyword_name(keyword): _value(keyword.value) for keyword in node.keywords}
        return {**(_value(node.args[0]) if node.args else {}), **items}
    if isinstance(node, ast.Dict):
        if any(key is None for key in node.keys):
            raise _refusal(node)
        return {_value(key): _value(value) for key, value in zip(node.keys, node.values)}
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        kind = {ast.List: list, ast.Tuple: tuple, ast.Set: set}[type(node)]
        return kind(_value(element) for element in node.elts)
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise _refusal(node) from None


def _keyword_name(keyword: ast.keyword) -> str:
    if keyword.arg is None:
        raise _refusal(keyword.value)
    return keyword.arg


def _refusal(node: ast.AST) -> InputError:
    return InputError(
        f'line {node.lineno} of the config has "{ast.unparse(node)[:80]}", allowed are assignments '
        'of plain values: it is not executed, because it comes from a checkpoint'
    )
