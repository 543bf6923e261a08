"""A checkpoint alone: config read as data, predictions for files, ONNX."""

import csv
import json

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from small_images import write_digits

from rcl_mm.apis import checkpoint_config, load_classifier, predict_images
from rcl_mm.inference import onnx_export
from rcl_mm.inference.classifier import takes_rgb
from rcl_mm.inference.onnx_export import image_size

CLASSES = ('zero', 'one', 'two')
PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(24, 16)),
    dict(type='PackInputs'),
]


def settings(pipeline=None, to_rgb=True):
    return dict(
        model=dict(
            type='ImageClassifier',
            data_preprocessor=dict(
                type='MultiViewDataPreprocessor',
                mean=[120.0, 110.0, 100.0],
                std=[60.0, 50.0, 40.0],
                to_rgb=to_rgb,
            ),
            # Weights that are not there: inference must not look for them.
            backbone=dict(
                type='CIFARResNet',
                depth=8,
                init_cfg=dict(type='Pretrained', checkpoint='nowhere.pth'),
            ),
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='RCLHead', num_classes=3, in_channels=64, embedding_dim=16),
        ),
        test_dataloader=dict(dataset=dict(type='FolderLT', pipeline=pipeline or PIPELINE)),
    )


def write_checkpoint(path, cfg=None, **changes):
    """A checkpoint as MMEngine writes it, of a model with random weights."""
    cfg = Config(cfg or settings())
    model_cfg = json.loads(json.dumps(cfg.model.to_dict()))
    model_cfg['backbone'].pop('init_cfg')
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(model_cfg)
    for module in model.modules():
        # Class scores that differ from image to image.
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=1.0)
    meta = dict(cfg=cfg.pretty_text, dataset_meta=dict(classes=CLASSES), **changes)
    torch.save(dict(meta=meta, state_dict=model.state_dict()), path)
    return str(path)


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp('inference') / 'last.pth')


@pytest.fixture
def images(tmp_path):
    folder = write_digits(tmp_path / 'images', {'a': 3, 'b c': 2})
    (folder / 'a/broken.jpg').write_bytes(b'\xff\xd8 not a jpeg')
    (folder / 'a/empty.png').touch()
    (folder / 'a/readme.txt').write_text('no image')
    return folder


class TestCheckpointConfig:
    def test_no_downloads(self, checkpoint):
        cfg = checkpoint_config(checkpoint)
        assert cfg.model.head.type == 'RCLHead' and cfg.model.backbone.init_cfg is None

    def test_timm_weights_are_not_downloaded(self, tmp_path):
        path = tmp_path / 'timm.pth'
        backbone = dict(type='TIMMBackbone', pretrained=True, checkpoint_path='x.pth')
        text = Config(dict(model=dict(backbone=backbone))).pretty_text
        torch.save(dict(meta=dict(cfg=text)), path)
        cfg = checkpoint_config(str(path))
        assert cfg.model.backbone.pretrained is False and cfg.model.backbone.checkpoint_path == ''

    def test_config_is_never_executed(self, tmp_path):
        marker, path = tmp_path / 'executed', tmp_path / 'evil.pth'
        code = f"model = __import__('pathlib').Path('{marker}').touch()"
        torch.save(dict(meta=dict(cfg=code), state_dict={}), path)
        with pytest.raises(ValueError, match='records a config that can not be read'):
            checkpoint_config(str(path))
        assert not marker.exists()

    def test_no_config(self, tmp_path):
        path = tmp_path / 'weights.pth'
        torch.save(dict(state_dict={}), path)
        with pytest.raises(ValueError, match=r'records no config: give .* \(--config\)'):
            checkpoint_config(str(path))


class TestLoadClassifier:
    def test_names_and_weights(self, checkpoint):
        classifier = load_classifier(checkpoint)
        assert classifier.classes == CLASSES and not classifier.model.training
        saved = torch.load(checkpoint, weights_only=True)['state_dict']
        assert torch.equal(classifier.model.head.fc.weight, saved['head.fc.weight'])

    def test_config_by_hand(self, checkpoint, tmp_path):
        path = tmp_path / 'mine.py'
        Config(settings()).dump(path)
        assert load_classifier(checkpoint, str(path)).config.model.head.num_classes == 3

    def test_config_of_another_model(self, checkpoint, tmp_path):
        cfg = settings()
        cfg['model']['backbone']['depth'] = 14
        path = tmp_path / 'other.py'
        Config(cfg).dump(path)
        with pytest.raises(ValueError, match='is not of this model: .* weights are missing'):
            load_classifier(checkpoint, str(path))

    def test_config_of_another_number_of_classes(self, checkpoint, tmp_path):
        cfg = settings()
        cfg['model']['head']['num_classes'] = 5
        path = tmp_path / 'other.py'
        Config(cfg).dump(path)
        with pytest.raises(ValueError, match=r'head.fc.* has shape \(3.*the model has \(5'):
            load_classifier(checkpoint, str(path))

    def test_counts_of_a_loss_are_no_weights(self, checkpoint, tmp_path):
        """Trained with RCLLoss, used with the config of its cross-entropy twin."""
        contents = torch.load(checkpoint, weights_only=True)
        contents['state_dict']['head.loss_module.class_counts'] = torch.tensor([3, 2, 1])
        torch.save(contents, tmp_path / 'rcl.pth')
        assert load_classifier(str(tmp_path / 'rcl.pth')).classes == CLASSES

    def test_no_such_files(self, checkpoint, tmp_path):
        with pytest.raises(FileNotFoundError, match='can not be found'):
            load_classifier(str(tmp_path / 'no.pth'))
        with pytest.raises(FileNotFoundError, match='config ".*no.py" does not exist'):
            load_classifier(checkpoint, str(tmp_path / 'no.py'))


class TestPredictImages:
    def test_as_the_model_predicts(self, checkpoint, images):
        classifier = load_classifier(checkpoint)
        paths = [str(images / 'a' / f'{i}.jpg') for i in range(3)]
        predictions = list(predict_images(classifier, paths, batch_size=2, topk=3))
        for path, prediction in zip(paths, predictions):
            image = cv2.resize(cv2.imread(path), (24, 16))
            inputs = torch.from_numpy(image).permute(2, 0, 1)[None]
            data = classifier.model.data_preprocessor(dict(inputs=inputs), False)
            with torch.no_grad():
                scores = classifier.model.head(
                    classifier.model.extract_feat(data['inputs'])
                ).softmax(1)[0]
            best, labels = scores.topk(3)
            assert prediction.names == tuple(CLASSES[label] for label in labels)
            np.testing.assert_allclose(prediction.scores, best.numpy(), rtol=1e-4)

    def test_unreadable_ones_keep_their_place(self, checkpoint, images):
        classifier = load_classifier(checkpoint)
        paths = [str(images / name) for name in ('a/broken.jpg', 'a/0.jpg', 'a/empty.png')]
        predictions = list(predict_images(classifier, paths))
        assert [one.path for one in predictions] == paths
        assert [len(one.names) for one in predictions] == [0, 1, 0]

    def test_images_of_several_sizes(self, tmp_path):
        """Without a step that makes them alike, images are classified size by size."""
        pipeline = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
        path = write_checkpoint(tmp_path / 'any.pth', settings(pipeline))
        small = write_digits(tmp_path / 'small', dict(a=2), size=(20, 20))
        large = write_digits(tmp_path / 'large', dict(a=2), size=(30, 26))
        paths = [str(folder / f'a/{i}.jpg') for i in range(2) for folder in (small, large)]
        predictions = list(predict_images(load_classifier(path), paths, batch_size=8))
        assert [one.path for one in predictions] == paths and all(one.names for one in predictions)

    def test_colours_of_data_that_is_not_in_files(self, tmp_path):
        """Arrays (CIFAR) are RGB and files BGR: the network sees the same colours from both."""
        arrays = load_classifier(
            write_checkpoint(
                tmp_path / 'arrays.pth', settings([dict(type='PackInputs')], to_rgb=False)
            )
        )
        files = load_classifier(
            write_checkpoint(
                tmp_path / 'files.pth',
                settings([dict(type='LoadImageFromFile'), dict(type='PackInputs')], to_rgb=True),
            )
        )
        assert takes_rgb(arrays.config) and takes_rgb(files.config)
        path = str(tmp_path / 'red.png')
        cv2.imwrite(path, np.full((16, 16, 3), (10, 20, 250), np.uint8))
        first, second = (next(predict_images(one, [path], topk=3)) for one in (arrays, files))
        assert first == second


class TestPredictTool:
    def test_csv(self, checkpoint, images, run_tool, tmp_path, capsys):
        out = tmp_path / 'results/predictions.csv'
        arguments = ('tools/predict.py', checkpoint, images, '--out', out, '--topk', 2)
        assert run_tool(*arguments) == 0
        with open(out, encoding='utf-8', newline='') as file:
            rows = list(csv.DictReader(file))
        assert list(rows[0]) == ['image', 'class', 'score', 'class_2', 'score_2', 'error']
        assert [row['image'] for row in rows] == sorted(
            str(path) for path in images.rglob('*') if path.suffix in ('.jpg', '.png')
        )
        unreadable = [row['image'] for row in rows if row['error'] == 'unreadable']
        assert unreadable == [str(images / 'a/broken.jpg'), str(images / 'a/empty.png')]
        good = [row for row in rows if not row['error']]
        assert len(good) == 5 and {row['class'] for row in good} <= set(CLASSES)
        assert all(float(row['score']) >= float(row['score_2']) for row in good)
        printed = capsys.readouterr()
        assert '5 predictions written' in printed.out
        assert '2 of 7 images could not be read' in printed.err and unreadable[0] in printed.err
        assert [path.name for path in out.parent.iterdir()] == ['predictions.csv']

    def test_printed(self, checkpoint, images, run_tool, capsys):
        assert run_tool('tools/predict.py', checkpoint, images / 'a/0.jpg') == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 1 and lines[0].startswith(f'{images}/a/0.jpg: ')

    @pytest.mark.parametrize(
        'arguments, code, message',
        [
            (['nowhere'], 2, '"nowhere" does not exist: give an image or a folder'),
            (['images', '--topk', '0'], 2, '--topk 0 --batch-size 32: allowed is 1 or more'),
            (['images/a/broken.jpg'], 1, 'none of 1 images could be read: nothing is written'),
            (['void'], 2, '"void" has no image'),
        ],
    )
    def test_mistakes(
        self, checkpoint, images, run_tool, capsys, monkeypatch, arguments, code, message
    ):
        monkeypatch.chdir(images.parent)
        (images.parent / 'void').mkdir()
        arguments = [*arguments, '--out', 'never.csv']
        assert run_tool('tools/predict.py', checkpoint, *arguments) == code
        error = capsys.readouterr().err
        assert message in error and 'Traceback' not in error
        assert not (images.parent / 'never.csv').exists()


class TestOnnx:
    def test_scores_of_onnxruntime(self, checkpoint, run_tool, tmp_path):
        path = tmp_path / 'export/model.onnx'
        assert run_tool('tools/export_onnx.py', checkpoint, '-o', path) == 0
        assert [one.name for one in path.parent.iterdir()] == ['model.onnx']
        model = onnx.load(path)
        names = {entry.key: entry.value for entry in model.metadata_props}
        assert tuple(json.loads(names['classes'])) == CLASSES
        classifier = load_classifier(checkpoint)
        session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
        rgb = np.random.RandomState(1).randint(0, 256, (5, 3, 16, 24)).astype(np.float32)
        (scores,) = session.run(None, {'images': rgb})
        # The way of a file: BGR to the data preprocessor, which turns it around.
        bgr = torch.from_numpy(rgb).flip(1)
        data = classifier.model.data_preprocessor(dict(inputs=bgr), False)
        with torch.no_grad():
            features = classifier.model.extract_feat(data['inputs'])
        expected = classifier.model.head(features).softmax(dim=1)
        np.testing.assert_allclose(scores, expected.detach().numpy(), atol=1e-5)

    def test_nothing_is_written_where_the_scores_differ(self, checkpoint, tmp_path, monkeypatch):
        monkeypatch.setattr(onnx_export, 'TOLERANCE', -1.0)
        path = tmp_path / 'model.onnx'
        with pytest.raises(ValueError, match='differ from torch by .* nothing is written'):
            onnx_export.export_onnx(load_classifier(checkpoint), str(path))
        assert list(tmp_path.iterdir()) == []

    def test_size_of_the_images(self):
        crop = dict(type='CenterCrop', crop_size=(16, 24))
        views = dict(type='ReproducibleMultiView', transforms=[[crop]], num_views=2)

        def loader(*pipeline):
            return dict(dataset=dict(pipeline=[*pipeline, dict(type='PackInputs')]))

        assert image_size(Config(dict(test_dataloader=loader(crop)))) == (16, 24)
        cfg = Config(dict(test_dataloader=loader(), train_dataloader=loader(views)))
        assert image_size(cfg) == (16, 24)
        with pytest.raises(ValueError, match='give --input-size HEIGHT WIDTH'):
            image_size(Config(dict(test_dataloader=loader())))

    def test_mistakes(self, checkpoint, run_tool, capsys):
        assert run_tool('tools/export_onnx.py', checkpoint, '-o', 'model.pt') == 2
        assert 'is no .onnx file' in capsys.readouterr().err
