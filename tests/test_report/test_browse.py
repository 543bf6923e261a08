"""browse_views draws the very views that a config trains on."""

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmpretrain.registry import DATASETS

from rcl_mm.augment.draws import DrawIndex, sample_draws
from rcl_mm.report.browse import draw_views, head_to_tail, training_views

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'configs' / 'rcl' / 'resnet8_digits_lt.py'


@pytest.fixture(scope='module')
def cfg():
    return Config.fromfile(CONFIG)


class TestHeadToTail:
    LABELS = np.array([0, 2, 1, 1, 2, 2, 2])

    @pytest.mark.parametrize(
        'number,expected', [(1, [1]), (2, [1, 0]), (3, [1, 2, 0]), (6, [1, 4, 2, 3, 0])]
    )
    def test_classes_by_size(self, number, expected):
        assert head_to_tail(self.LABELS, number).tolist() == expected

    def test_classes_without_an_image_are_left_out(self):
        assert head_to_tail(np.array([3, 3, 5]), 2).tolist() == [0, 2]


class TestTrainingViews:
    @pytest.mark.parametrize('epoch', [0, 3])
    def test_are_those_of_the_run(self, cfg, epoch):
        images = training_views(cfg, num_images=3, epoch=epoch)
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
        seed = cfg.randomness.seed
        for image, index in zip(images, head_to_tail(dataset.get_gt_labels(), 3)):
            draw = int(sample_draws(seed, epoch, int(index)))
            packed = dataset[DrawIndex(int(index), draw)]['inputs']
            expected = np.stack([view.flip(0).permute(1, 2, 0).numpy() for view in packed])
            np.testing.assert_array_equal(image.views, expected)
            original = dataset.get_data_info(int(index))['img'][..., ::-1]
            np.testing.assert_array_equal(image.original, original)

    def test_from_head_to_tail(self, cfg):
        titles = [image.title.split()[0] for image in training_views(cfg, num_images=3)]
        assert titles == ['0', '4', '9']

    def test_augmentation_on_the_device(self, cfg):
        on_device = cfg.copy()
        on_device.merge_from_dict(
            {
                'train_dataloader.dataset.pipeline': [dict(type='PackInputs')],
                'model.data_preprocessor.view_augments': [dict(type='CifarSimAugment')] * 3,
            }
        )
        images = training_views(on_device, num_images=2)
        assert images[0].views.shape == (3, 32, 32, 3)
        assert (images[0].views[0] != images[0].views[1]).any()

    @pytest.mark.parametrize('arguments', [dict(num_images=0), dict(epoch=-1)])
    def test_out_of_range(self, cfg, arguments):
        with pytest.raises(ValueError, match='allowed are >= 1 and >= 0'):
            training_views(cfg, **arguments)

    def test_no_training_set(self):
        with pytest.raises(ValueError, match='no train_dataloader'):
            training_views(Config(dict(model=dict())))


def test_draw_views__one_row_an_image_one_column_a_view(cfg, tmp_path):
    draw_views(training_views(cfg, num_images=4), tmp_path / 'views.png')
    assert [path.name for path in tmp_path.iterdir()] == ['views.png']
    height, width = cv2.imread(str(tmp_path / 'views.png')).shape[:2]
    assert height == 4 * 240 and width == 3 * 216


def test_draw_views__not_a_png(cfg, tmp_path):
    with pytest.raises(ValueError, match=r'ends in \.png'):
        draw_views(training_views(cfg, num_images=1), tmp_path / 'views.jpg')
    assert not list(tmp_path.iterdir())


def test_draw_views__place_that_can_not_be_written(cfg, tmp_path):
    output = tmp_path / 'views.png'
    output.mkdir()
    with pytest.raises(OSError, match=r'can not be written \(Is a directory') as error:
        draw_views(training_views(cfg, num_images=1), output)
    assert error.value.filename == str(output)


@pytest.fixture
def tool_module():
    spec = importlib.util.spec_from_file_location(
        'browse_views_tool', ROOT / 'tools' / 'browse_views.py'
    )
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


@pytest.fixture
def run_tool(tool_module, monkeypatch):
    def run(*arguments):
        monkeypatch.setattr('sys.argv', ['browse_views.py', *map(str, arguments)])
        return tool_module.main()

    return run


@pytest.mark.parametrize('config,code', [(CONFIG, 0), ('no_such_config.py', 2)])
def test_tool(run_tool, capsys, tmp_path, config, code):
    output = tmp_path / 'views.png'
    assert run_tool(config, '-o', output, '-n', 2) == code
    captured = capsys.readouterr()
    assert output.is_file() == (code == 0)
    if code:
        assert 'no_such_config.py' in captured.err and len(captured.err.splitlines()) == 1
    else:
        assert '2 images with 2 views each' in captured.out


def test_tool__options_go_to_the_data_sets(tool_module, run_tool, monkeypatch, capsys):
    """Of 40 images a long tail has 38: its last classes have fewer than are asked for."""
    monkeypatch.setattr(tool_module, 'draw_views', lambda images, output: None)
    assert run_tool(CONFIG, '-n', 40) == 0
    assert '38 images with' in capsys.readouterr().out
    assert run_tool(CONFIG, '-n', 40, '--cfg-options', 'imbalance_factor=1', 'modle.x=1') == 0
    captured = capsys.readouterr()
    assert '40 images with' in captured.out
    assert 'the config has no "modle", did you mean "model"?' in captured.err


def test_tool__pair_without_equals_sign(run_tool, capsys):
    with pytest.raises(SystemExit):
        run_tool(CONFIG, '--cfg-options', 'nonsense')
    assert 'not of the form key=value' in capsys.readouterr().err
