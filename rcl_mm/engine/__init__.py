"""What makes a run work and survive on today's stack: hooks, safe checkpoints, mends."""

from .checkpoint import CheckpointError, is_whole, load_checkpoint_file, register_safe_loading
from .compat import import_mmcv_quietly
from .deferred_reweighting import DeferredReweightingHook, effective_number_weights
from .hooks import ClassCountsHook
from .optim_wrapper import CPUAmpOptimWrapper
from .package_configs import config_path, register_config_package

import_mmcv_quietly()
register_safe_loading()
register_config_package()

__all__ = [
    'CPUAmpOptimWrapper',
    'CheckpointError',
    'ClassCountsHook',
    'DeferredReweightingHook',
    'config_path',
    'effective_number_weights',
    'is_whole',
    'load_checkpoint_file',
]
