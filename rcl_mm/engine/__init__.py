"""What makes a run work and survive on today's stack: hooks, safe checkpoints, mends."""

from .checkpoint import CheckpointError, is_whole, load_checkpoint_file, register_safe_loading
from .compat import import_mmcv_quietly
from .hooks import ClassCountsHook
from .optim_wrapper import CPUAmpOptimWrapper

import_mmcv_quietly()
register_safe_loading()

__all__ = [
    'CPUAmpOptimWrapper',
    'CheckpointError',
    'ClassCountsHook',
    'is_whole',
    'load_checkpoint_file',
]
