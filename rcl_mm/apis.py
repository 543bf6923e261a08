"""What a script calls."""

from rcl_mm.conversion import ConversionError, config_diff, convert_config, to_rcl

__all__ = ['ConversionError', 'config_diff', 'convert_config', 'to_rcl']
