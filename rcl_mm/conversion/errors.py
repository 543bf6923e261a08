"""Why a config cannot be converted."""

from rcl_mm.errors import InputError


class ConversionError(InputError):
    """A config that cannot be turned into RCL; the message is one line with the reason."""
