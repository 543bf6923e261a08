"""What makes a run work and survive on today's stack: hooks, safe checkpoints, mends."""

from . import quiet_imports  # noqa: F401  (before all that imports the same modules)

# isort: split
from .atomic_files import AtomicLocalBackend, write_atomically
from .checkpoint import CheckpointError, is_whole, load_checkpoint_file, register_safe_loading
from .checkpoint_hook import AtomicCheckpointHook
from .compat import mend_missing_pkg_resources
from .compile_hook import CompileHook
from .deferred_reweighting import DeferredReweightingHook, effective_number_weights
from .finite_hook import FiniteLossHook, NonFiniteError
from .hooks import ClassCountsHook
from .literal_config import read_literal_config
from .loops import ResumableEpochBasedTrainLoop, ResumableIterBasedTrainLoop
from .optim_wrapper import CPUAmpOptimWrapper
from .package_configs import config_path, register_config_package
from .resume import ResumeStateHook, newest_whole_checkpoint
from .sharding import ResumableFSDPStrategy, wrap_blocks
from .speed_hooks import ChannelsLastHook
from .stop_hook import EXIT_STOPPED, StopSignalHook, TrainingStopped

register_safe_loading()
register_config_package()
mend_missing_pkg_resources()

__all__ = [
    'EXIT_STOPPED',
    'AtomicCheckpointHook',
    'AtomicLocalBackend',
    'CPUAmpOptimWrapper',
    'CheckpointError',
    'ChannelsLastHook',
    'ClassCountsHook',
    'CompileHook',
    'DeferredReweightingHook',
    'FiniteLossHook',
    'NonFiniteError',
    'ResumableEpochBasedTrainLoop',
    'ResumableFSDPStrategy',
    'ResumableIterBasedTrainLoop',
    'ResumeStateHook',
    'StopSignalHook',
    'TrainingStopped',
    'config_path',
    'effective_number_weights',
    'is_whole',
    'load_checkpoint_file',
    'newest_whole_checkpoint',
    'read_literal_config',
    'register_config_package',
    'wrap_blocks',
    'write_atomically',
]
