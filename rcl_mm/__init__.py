"""rcl_mm: Rebalanced Contrastive Learning for the OpenMMLab stack.

Importing it registers its parts in MMEngine's root registries, so that ``dict(type='RCLLoss')``
builds under any library's default scope; nothing else happens.
"""

# First the runtime: it imports mmcv without the warning that mmcv-lite gives in every run.
from rcl_mm import runtime

# isort: split
from rcl_mm import augment, datasets, engine, evaluation, models
from rcl_mm.apis import config_path, to_rcl
from rcl_mm.version import __version__

__all__ = [
    '__version__',
    'augment',
    'config_path',
    'datasets',
    'engine',
    'evaluation',
    'models',
    'runtime',
    'to_rcl',
]
