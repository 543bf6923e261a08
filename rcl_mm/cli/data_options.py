"""``--cfg-options imbalance_factor=50``: variables of a config that its data sets are made of."""

import difflib
import inspect
import os
import sys
from typing import Any, Dict, Optional

from mmengine.config import Config
from mmengine.runner import Runner

from rcl_mm.class_counts import inner_datasets
from rcl_mm.cli.settings import check_settings
from rcl_mm.datasets.folder_config import AUTO, fill_in_folder_data
from rcl_mm.runtime.errors import UsageError

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
IMBALANCE = ('imbalance_factor', 'imbalance_type')
#: Variables at the top of the benchmarks' base files that hold for all their data sets.
SHARED = (*IMBALANCE, 'data_root')
#: Settings that configs do not have to have: the runner's arguments, and what is read besides.
SETTINGS = (
    *inspect.signature(Runner).parameters,
    *('activation_checkpointing', 'compile', 'custom_imports', 'efficient_conv_bn_eval'),
    *('find_unused_parameters', 'model_wrapper_cfg', 'runner_type', 'strategy', 'sync_bn'),
    *('tta_model', 'tta_pipeline'),
)


def merge_options(cfg: Config, options: Optional[Dict[str, Any]]) -> None:
    """Write ``--cfg-options`` into a config, and complete its data sets with them.

    Args:
        cfg (Config): Changed in place.
        options (dict, optional): The options, dotted keys to values.

    Raises:
        UsageError: See :func:`spread_data_options`.
        OSError, InputError: See :func:`fill_in_folder_data`.
    """
    check_settings(cfg)
    if options:
        spread_data_options(cfg, options)
        merge_into(cfg, options)
        check_settings(cfg)
    fill_in_folder_data(cfg)


def merge_into(cfg: Config, options: Dict[str, Any]) -> None:
    """Write options into a config.

    Raises:
        UsageError: If one does not fit the config, such as an index beyond the end of a list.
    """
    try:
        cfg.merge_from_dict(options)
    except (LookupError, TypeError, AttributeError) as error:
        for key, value in options.items():
            place = _blocked_at(cfg, key, value)
            if place is not None:
                raise UsageError(f'--cfg-options {key}={value}: {place}') from error
        raise UsageError(f'--cfg-options do not fit the config: {error}') from error


def _blocked_at(cfg: Config, key: str, value: Any) -> Optional[str]:
    """Why a dotted key can not be set in a config, None if it can be."""
    node, parent, names = cfg, None, key.split('.')
    for depth, name in enumerate(names):
        parent = node
        here = '.'.join(names[:depth]) or 'the config'
        if isinstance(node, (list, tuple)):
            if not name.isdigit() or int(name) >= len(node):
                last = len(node) - 1
                return f'{here} is a list, allowed after it is an index from 0 to {last}'
            node = node[int(name)]
        elif isinstance(node, (dict, Config)):
            if name not in node:
                return None
            node = node[name]
        else:
            return f'{here} is {node!r} and has no "{name}": give {here} itself'
    if isinstance(parent, (list, tuple)) and not isinstance(value, dict):
        return f'an item of a list can not be replaced alone: give all of {".".join(names[:-1])}'
    return None


def merge_options_for_conversion(cfg: Config, options: Optional[Dict[str, Any]]) -> None:
    """:func:`merge_options` of a config that may be converted where its images are not.

    Only ``num_classes='auto'`` needs them.
    """
    if ((cfg.get('model') or {}).get('head') or {}).get('num_classes') == AUTO:
        merge_options(cfg, options)
    elif options:
        spread_data_options(cfg, options)
        merge_into(cfg, options)


def warn_of_unknown_names(cfg: Config, options: Optional[Dict[str, Any]]) -> None:
    """Say on standard error which ``--cfg-options`` begin with a name that the config has not.

    They are not refused, because a new setting can be meant.

    Args:
        cfg (Config): The config as its file has it.
        options (dict, optional): The options, dotted keys to values.
    """
    if os.environ.get('RANK', '0') != '0':
        return
    known = {*cfg, *SETTINGS, *SHARED}
    for key, value in (options or {}).items():
        name = key.partition('.')[0]
        if name in known:
            continue
        close = difflib.get_close_matches(name, known, n=1)
        hint = f', did you mean "{close[0]}"?' if close else ''
        print(
            f'warning: --cfg-options {key}={value}: the config has no "{name}"{hint}',
            file=sys.stderr,
            flush=True,
        )


def spread_data_options(cfg: Config, options: Optional[Dict[str, Any]]) -> None:
    """Give the data sets what ``--cfg-options`` says of a variable at the top of the config.

    MMEngine puts variables into place when it reads the files, so that a variable overridden later
    would change nothing, and say nothing. Call it before the options are merged: an option for one
    data set (``train_dataloader.dataset.imbalance_factor``) then wins over the shared one.

    Args:
        cfg (Config): Changed in place.
        options (dict, optional): The options, dotted keys to values.

    Raises:
        UsageError: If an imbalance is given and no data set of the config takes one.
    """
    for name in SHARED:
        if name not in (options or {}):
            continue
        takers = [
            dataset
            for loader in LOADERS
            for dataset in inner_datasets(cfg.get(loader) or {})
            if name in dataset
        ]
        if not takers and name in IMBALANCE:
            raise UsageError(
                f'--cfg-options {name}={options[name]}: no data set of the config has {name}, '
                'allowed where it has a LongTailedDataset or DigitsLT: leave it out'
            )
        for dataset in takers:
            dataset[name] = options[name]
