"""Using a trained checkpoint: predictions for image files, ONNX."""

from rcl_mm.inference.classifier import Classifier, checkpoint_config, load_classifier
from rcl_mm.inference.onnx_export import export_onnx
from rcl_mm.inference.predict import Prediction, find_images, predict_images

__all__ = [
    'Classifier',
    'Prediction',
    'checkpoint_config',
    'export_onnx',
    'find_images',
    'load_classifier',
    'predict_images',
]
