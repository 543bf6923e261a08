"""Which settings differ between the configs of several methods."""

import json
from typing import Any, Dict, List, Sequence, Tuple

ABSENT = '–'


def flatten(value: Any, prefix: str = '') -> Dict[str, str]:
    """Settings by dotted path, e.g. ``model.head.type``; list entries by index."""
    if isinstance(value, dict) and value:
        pairs = [(str(key), child) for key, child in value.items()]
    elif isinstance(value, (list, tuple)) and any(isinstance(one, (dict, list)) for one in value):
        pairs = [(str(index), child) for index, child in enumerate(value)]
    else:
        return {prefix: json.dumps(value, default=str, ensure_ascii=False)}
    flat: Dict[str, str] = {}
    for key, child in pairs:
        flat.update(flatten(child, f'{prefix}.{key}' if prefix else key))
    return flat


def config_differences(configs: Sequence[Dict[str, Any]]) -> List[Tuple[str, List[str]]]:
    """Settings that are not the same in all configs.

    Args:
        configs (Sequence[dict]): One config per method.

    Returns:
        list: ``(path, [value in each config])``, "–" where a config does not have the setting.
    """
    flat = [flatten(config) for config in configs]
    paths = list(dict.fromkeys(path for one in flat for path in one))
    rows = [(path, [one.get(path, ABSENT) for one in flat]) for path in paths]
    return [(path, values) for path, values in rows if len(set(values)) > 1]
