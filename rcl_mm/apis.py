"""What a script calls."""

from rcl_mm.conversion import ConversionError, config_diff, convert_config, to_rcl
from rcl_mm.inference import checkpoint_config, load_classifier, predict_images
from rcl_mm.runtime.package_configs import config_path

__all__ = [
    'ConversionError',
    'checkpoint_config',
    'config_diff',
    'config_path',
    'convert_config',
    'load_classifier',
    'predict_images',
    'to_rcl',
]
