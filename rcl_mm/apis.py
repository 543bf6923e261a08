"""What a script calls."""

from rcl_mm.conversion import ConversionError, config_diff, convert_config, to_rcl
from rcl_mm.engine.package_configs import config_path

__all__ = ['ConversionError', 'config_diff', 'config_path', 'convert_config', 'to_rcl']
