"""Turning existing MMPretrain configs into RCL."""

from rcl_mm.conversion.convert import Conversion, config_diff, convert_config, to_rcl
from rcl_mm.conversion.errors import ConversionError
from rcl_mm.conversion.heads import CONVERTERS, REFUSED

__all__ = [
    'CONVERTERS',
    'REFUSED',
    'Conversion',
    'ConversionError',
    'config_diff',
    'convert_config',
    'to_rcl',
]
