"""``--cfg-options imbalance_factor=50``: variables of a config that its data sets are made of."""

from typing import Any, Dict, Iterator, Optional

from mmengine.config import Config

from rcl_mm.engine.errors import UsageError

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
IMBALANCE = ('imbalance_factor', 'imbalance_type')
#: Variables at the top of the benchmarks' base files that hold for all their data sets.
SHARED = (*IMBALANCE, 'data_root')


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
            for dataset in _datasets(cfg.get(loader) or {})
            if name in dataset
        ]
        if not takers and name in IMBALANCE:
            raise UsageError(
                f'--cfg-options {name}={options[name]}: no data set of the config has {name}, '
                'allowed where it has a LongTailedDataset or DigitsLT: leave it out'
            )
        for dataset in takers:
            dataset[name] = options[name]


def _datasets(node: Any) -> Iterator[dict]:
    """Configs of data sets in a loader's or a wrapper's config, outermost first."""
    for child in (node.get('dataset'), *(node.get('datasets') or ())):
        if isinstance(child, dict):
            yield child
            yield from _datasets(child)
