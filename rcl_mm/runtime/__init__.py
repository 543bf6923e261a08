"""The ground for runs on today's stack: whole files, safe checkpoints, mends, errors."""

from rcl_mm.runtime import quiet_imports  # noqa: F401  (before all that imports the same modules)

# isort: split
from rcl_mm.runtime.checkpoint import (
    CheckpointError,
    is_whole,
    load_checkpoint_file,
    register_safe_loading,
)
from rcl_mm.runtime.compat import mend_missing_pkg_resources
from rcl_mm.runtime.files import AtomicLocalBackend, write_atomically
from rcl_mm.runtime.find_checkpoint import newest_whole_checkpoint
from rcl_mm.runtime.literal_config import read_literal_config
from rcl_mm.runtime.package_configs import config_path, register_config_package

register_safe_loading()
register_config_package()
mend_missing_pkg_resources()

__all__ = [
    'AtomicLocalBackend',
    'CheckpointError',
    'config_path',
    'is_whole',
    'load_checkpoint_file',
    'newest_whole_checkpoint',
    'read_literal_config',
    'register_config_package',
    'write_atomically',
]
