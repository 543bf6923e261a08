"""A checkpoint as ONNX, checked against ONNX Runtime."""

import json
import os
import os.path as osp
import shutil
import tempfile
from typing import Callable, Optional, Tuple

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmpretrain.models.heads import ClsHead, MultiLabelClsHead
from PIL import Image
from torch import Tensor, nn

from rcl_mm.conversion.pipelines import output_size
from rcl_mm.errors import InputError
from rcl_mm.inference.classifier import Classifier, image_pipeline, takes_rgb
from rcl_mm.runtime.configs import loader_pipeline
from rcl_mm.runtime.errors import writing
from rcl_mm.runtime.files import replacing

# Largest difference of a class score (a probability) that float32 on two runtimes may have.
TOLERANCE = 1e-4
# RGB, no two of them alike in another order of channels.
COLOURS = ((210, 120, 30), (15, 90, 240), (128, 250, 60))


class ExportedClassifier(nn.Module):
    """From RGB pixels to class scores: normalisation, padding, network and probabilities in one.

    Args:
        classifier (Classifier): Of an ``ImageClassifier`` with one score for each class.

    Raises:
        InputError: If the scores of its head are of another kind.
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.model = classifier.model
        self.takes_rgb = takes_rgb(classifier.config)
        head = getattr(self.model, 'head', None)
        if not isinstance(head, (ClsHead, MultiLabelClsHead)):
            raise _refusal(self.model if head is None else head)
        self.several_labels = isinstance(head, MultiLabelClsHead)
        preprocessor = self.model.data_preprocessor
        mean = getattr(preprocessor, 'mean', torch.zeros(3, 1, 1))
        std = getattr(preprocessor, 'std', torch.ones(3, 1, 1))
        self.register_buffer('mean', mean.float().view(1, -1, 1, 1))
        self.register_buffer('std', std.float().view(1, -1, 1, 1))
        self.pad_size_divisor = getattr(preprocessor, 'pad_size_divisor', 1)
        self.pad_value = getattr(preprocessor, 'pad_value', 0)

    def network_inputs(self, images: Tensor) -> Tensor:
        """What the data preprocessor makes of images, for RGB images (N, 3, H, W) of 0..255."""
        if not self.takes_rgb:
            images = images.flip(1)
        images = (images - self.mean) / self.std
        if self.pad_size_divisor > 1:
            bottom, right = (-size % self.pad_size_divisor for size in images.shape[-2:])
            images = F.pad(images, (0, right, 0, bottom), 'constant', self.pad_value)
        return images

    def forward(self, images: Tensor) -> Tensor:
        """Class scores (N, C) in 0..1, as predict gives them, of RGB images (N, 3, H, W).

        Pixels are float32, 0..255. Scores sum to one, but for a head for several labels.
        """
        scores = self.model.head(self.model.extract_feat(self.network_inputs(images)))
        if not isinstance(scores, Tensor) or scores.ndim != 2:
            raise _refusal(self.model.head)
        return scores.sigmoid() if self.several_labels else scores.softmax(dim=1)


def _refusal(part: nn.Module) -> InputError:
    return InputError(
        f'{type(part).__name__} can not be exported: needed is an ImageClassifier whose head gives '
        'one score for each class'
    )


def check_against_files(
    classifier: Classifier,
    module: ExportedClassifier,
    scores_of: Optional[Callable[[Tensor], Tensor]],
    size: Tuple[int, int],
    size_is_given: bool = False,
) -> None:
    """Compare an exported network with what ``tools/predict.py`` does with image files.

    The files have one colour each, which no crop and no resizing changes.

    Args:
        classifier (Classifier): The classifier.
        module (ExportedClassifier): The same as a module.
        scores_of (Callable, optional): The exported network: RGB images (N, 3, H, W) to scores
            (N, C). With None only what the network gets is compared.
        size (tuple[int, int]): Height and width of the images.
        size_is_given (bool): Whether they may differ from those of the test pipeline; scores are
            not compared then.

    Raises:
        InputError: If they differ.
    """
    pipeline = image_pipeline(classifier.config)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        for number, colour in enumerate(COLOURS):
            path = osp.join(folder, f'{number}.png')
            Image.new('RGB', size[::-1], colour).save(path)
            inputs = default_collate([pipeline(dict(img_path=path))])
            data = classifier.model.data_preprocessor(inputs, False)
            rgb = torch.tensor(colour, dtype=torch.float32).view(1, 3, 1, 1).expand(1, 3, *size)
            wanted, given = data['inputs'], module.network_inputs(rgb)
            same_size = wanted.shape == given.shape
            pixels = wanted[..., 0, 0], given[..., 0, 0]
            alike = pixels[0].shape == pixels[1].shape and torch.allclose(*pixels, atol=1e-3)
            if not alike or not (same_size or size_is_given):
                raise InputError(
                    f'the network gets {_describe(wanted)} of an image file and would get '
                    f'{_describe(given)} in the exported file, which takes RGB pixels of 0..255 '
                    f'of {size[0]} x {size[1]} and has no test pipeline inside: export a config '
                    'that loads, resizes and crops there and normalises in its data_preprocessor'
                )
            if scores_of is None or not same_size:
                continue
            (predicted,) = classifier.model(**data, mode='predict')
            largest = float((predicted.pred_score - scores_of(rgb)[0]).abs().max())
            if not largest <= TOLERANCE:
                raise InputError(
                    f'scores of the exported file differ by {largest:.2g} from those that '
                    f'{type(classifier.model.head).__name__} predicts for an image file, allowed '
                    f'is {TOLERANCE:.2g}: nothing is written'
                )


def _describe(inputs: Tensor) -> str:
    height, width = inputs.shape[-2:]
    means = ', '.join(f'{float(value):.3g}' for value in inputs.mean(dim=(0, 2, 3)))
    return f'{inputs.shape[1]} channels of {height} x {width} with means {means}'


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
        InputError: If the size cannot be told, the head is of another kind, or the scores differ
            from those of torch or of an image file.
        OSError: If the file can not be written.
    """
    import onnx
    import onnxruntime

    size = input_size or image_size(classifier.config)
    module = ExportedClassifier(classifier).eval()
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, *size, generator=generator) * 255
    # Before the export, which says less clearly what is wrong.
    check_against_files(classifier, module, None, size, input_size is not None)
    with torch.no_grad():
        module(images)
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

        def scores_of(batch: Tensor) -> Tensor:
            (scores,) = session.run(['scores'], {'images': batch.numpy()})
            return torch.from_numpy(scores)

        largest = 0.0
        for batch in (images, images[:1], torch.cat([images, images.flip(3)])):
            with torch.no_grad():
                expected = module(batch)
            largest = max(largest, float((scores_of(batch) - expected).abs().max()))
        if not largest <= TOLERANCE:
            raise InputError(
                f'scores of ONNX Runtime differ from torch by {largest:.2g}, allowed is '
                f'{TOLERANCE:.2g}: nothing is written'
            )
        check_against_files(classifier, module, scores_of, size, input_size is not None)
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
