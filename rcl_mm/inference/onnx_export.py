"""A checkpoint as ONNX, checked against ONNX Runtime."""

import json
import os
import os.path as osp
import shutil
import tempfile
from typing import Optional, Tuple

import torch
from mmengine.config import Config
from torch import Tensor, nn

from rcl_mm.conversion.pipelines import output_size
from rcl_mm.errors import InputError
from rcl_mm.inference.classifier import Classifier, takes_rgb
from rcl_mm.runtime.configs import loader_pipeline
from rcl_mm.runtime.errors import writing
from rcl_mm.runtime.files import replacing

# Largest difference of a class score (a probability) that float32 on two runtimes may have.
TOLERANCE = 1e-4


class ExportedClassifier(nn.Module):
    """From RGB pixels to class scores: normalisation, network and softmax in one.

    Args:
        classifier (Classifier): Its model's ``head(feats)`` has to give scores (N, C).
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.model = classifier.model
        self.takes_rgb = takes_rgb(classifier.config)
        preprocessor = classifier.model.data_preprocessor
        mean = getattr(preprocessor, 'mean', torch.zeros(3, 1, 1))
        std = getattr(preprocessor, 'std', torch.ones(3, 1, 1))
        self.register_buffer('mean', mean.float().view(1, -1, 1, 1))
        self.register_buffer('std', std.float().view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Class scores (N, C) that sum to one, of RGB images (N, 3, H, W) of 0..255, float32."""
        if not self.takes_rgb:
            images = images.flip(1)
        features = self.model.extract_feat((images - self.mean) / self.std)
        return self.model.head(features).softmax(dim=1)


def export_onnx(
    classifier: Classifier, path: str, input_size: Optional[Tuple[int, int]] = None
) -> float:
    """Write a classifier as ONNX with a free batch size, and compare it with ONNX Runtime.

    The file holds everything (no second file), with the class names as JSON in its metadata
    under ``classes``. It appears only after the comparison.

    Args:
        classifier (Classifier): From :func:`load_classifier`, on the CPU.
        path (str): File to write.
        input_size (tuple[int, int], optional): Height and width of the images. Defaults to the
            size after the test pipeline.

    Returns:
        float: Largest absolute difference of a score between torch and ONNX Runtime.

    Raises:
        InputError: If the size cannot be told, or the scores differ.
        OSError: If the file can not be written.
    """
    import onnx
    import onnxruntime

    height, width = input_size or image_size(classifier.config)
    module = ExportedClassifier(classifier).eval()
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, height, width, generator=generator) * 255
    folder = osp.dirname(osp.abspath(path))
    with writing(path):
        os.makedirs(folder, exist_ok=True)
        unfinished = tempfile.TemporaryDirectory(dir=folder)
    with unfinished as temporary:
        partial = osp.join(temporary, 'model.onnx')
        torch.onnx.export(
            module,
            (images,),
            partial,
            input_names=['images'],
            output_names=['scores'],
            dynamic_shapes=({0: torch.export.Dim('batch', min=1)},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        model = onnx.load(partial)
        entry = model.metadata_props.add()
        entry.key, entry.value = 'classes', json.dumps(list(classifier.classes))
        onnx.checker.check_model(model)
        onnx.save(model, partial)
        session = onnxruntime.InferenceSession(partial, providers=['CPUExecutionProvider'])
        largest = 0.0
        for batch in (images, images[:1], torch.cat([images, images.flip(3)])):
            with torch.no_grad():
                expected = module(batch)
            (scores,) = session.run(['scores'], {'images': batch.numpy()})
            largest = max(largest, float((torch.from_numpy(scores) - expected).abs().max()))
        if not largest <= TOLERANCE:
            raise InputError(
                f'scores of ONNX Runtime differ from torch by {largest:.2g}, allowed is '
                f'{TOLERANCE:.2g}: nothing is written'
            )
        with replacing(path) as whole:
            shutil.move(partial, whole)
    return largest


def image_size(cfg: Config) -> Tuple[int, int]:
    """Height and width of the images after the test pipeline of a config.

    Raises:
        InputError: If no step of it says so.
    """
    for name in ('test_dataloader', 'train_dataloader'):
        steps = []
        for step in loader_pipeline(cfg.get(name)):
            views = step.get('transforms')
            steps += views[0] if views and isinstance(views[0], (list, tuple)) else [step]
        size = output_size(steps)
        if size is not None:
            return (size, size) if isinstance(size, int) else size[::-1]
    raise InputError('no pipeline says the size of the images: give --input-size HEIGHT WIDTH')
