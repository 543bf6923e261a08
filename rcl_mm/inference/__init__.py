"""Using a trained checkpoint: predictions for image files, ONNX."""

from .classifier import Classifier, checkpoint_config, load_classifier
from .onnx_export import export_onnx
from .predict import Prediction, find_images, predict_images

__all__ = [
    'Classifier',
    'Prediction',
    'checkpoint_config',
    'export_onnx',
    'find_images',
    'load_classifier',
    'predict_images',
]
