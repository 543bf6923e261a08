"""Turning existing MMPretrain configs into RCL."""

from .convert import Conversion, config_diff, convert_config, to_rcl
from .errors import ConversionError
from .heads import CONVERTERS, REFUSED

__all__ = [
    'CONVERTERS',
    'REFUSED',
    'Conversion',
    'ConversionError',
    'config_diff',
    'convert_config',
    'to_rcl',
]
