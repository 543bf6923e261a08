"""tools/convert_config.py, tools/train.py --rcl, folder configs, downloads that fail."""

import socket
import urllib.error

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmengine.registry import DATASETS, MODELS
from small_images import MMPRETRAIN_CONFIGS, REPOSITORY
from test_inference.test_inference import write_checkpoint

import rcl_mm
from rcl_mm.cli.arguments import train_parser
from rcl_mm.cli.launch import convert_to_rcl
from rcl_mm.datasets import fill_in_folder_data
from rcl_mm.runtime.downloads import failed_download
from rcl_mm.runtime.errors import report_errors

CIFAR = MMPRETRAIN_CONFIGS / 'resnet/resnet18_8xb16_cifar10.py'
DEIT = MMPRETRAIN_CONFIGS / 'deit/deit-tiny_4xb256_in1k.py'


class TestConvertConfig:
    def test_written_file_is_the_converted_config(self, run_tool, tmp_path, capsys):
        out = tmp_path / 'new/rcl.py'
        assert run_tool('tools/convert_config.py', CIFAR, '-o', out, '--views', 2) == 0
        expected = rcl_mm.to_rcl(Config.fromfile(CIFAR), views=2)
        assert Config.fromfile(out).to_dict() == expected.to_dict()
        printed = capsys.readouterr().out
        assert "+        type='RCLHead')," in printed and 'note: a batch of N images' in printed

    def test_class_counts_and_options(self, run_tool, tmp_path):
        counts, out = tmp_path / 'counts.json', tmp_path / 'rcl.py'
        counts.write_text('[5, 4, 3]')
        arguments = ['--class-counts', counts, '--cfg-options', 'model.head.num_classes=3']
        assert run_tool('tools/convert_config.py', CIFAR, '-o', out, *arguments) == 0
        assert Config.fromfile(out).model.head.loss.class_counts == [5, 4, 3]

    @pytest.mark.parametrize(
        'arguments, code, message',
        [
            (['nowhere.py', '-o', 'new.py'], 2, 'config "nowhere.py" does not exist'),
            ([CIFAR, '-o', 'new.txt'], 2, '"new.txt" is no .py file'),
            ([CIFAR, '-o', CIFAR], 2, 'is the config itself'),
            ([DEIT, '-o', 'new.py'], 1, '--drop-batch-augments'),
            ([CIFAR, '-o', 'new.py', '--class-counts', 'counts.json'], 1, 'class_counts has 2'),
        ],
    )
    def test_mistakes(self, run_tool, tmp_path, monkeypatch, capsys, arguments, code, message):
        monkeypatch.chdir(tmp_path)
        (tmp_path / 'counts.json').write_text('[5, 4]')
        before = CIFAR.read_bytes()
        assert run_tool('tools/convert_config.py', *arguments) == code
        error = capsys.readouterr().err
        assert message in error and len(error.splitlines()) == 1
        assert not (tmp_path / 'new.py').exists() and CIFAR.read_bytes() == before


class TestTrainRcl:
    def test_options_before_and_after(self, capsys):
        """An option can make a config convertible, and set what only the converted one has."""
        options = ['model.train_cfg=None', 'model.head.loss.temperature=0.2']
        options += ['train_dataloader.dataset.pipeline.1.scale=192']
        args = train_parser().parse_args([str(DEIT), '--rcl', '--cfg-options', *options])
        converted = convert_to_rcl(Config.fromfile(DEIT), args)
        converted.merge_from_dict(args.cfg_options)
        assert converted.model.head.loss.temperature == 0.2
        views = converted.train_dataloader.dataset.pipeline[1].transforms
        assert views[0][0].scale == views[1][0].scale == 192
        assert "type='RCLHead'" in capsys.readouterr().out

    def test_refused_before_anything_is_written(self, run_tool, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        assert run_tool('tools/train.py', DEIT, '--rcl') == 1
        assert 'needs one class per image' in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []


class TestFolderConfigs:
    @pytest.mark.parametrize('name', ['timm_vit_small_folder_lt', 'timm_resnet50_folder_lt'])
    def test_one_step_at_its_own_size(self, name, digits_folder):
        torch.manual_seed(0)
        cfg = Config.fromfile(REPOSITORY / f'configs/rcl/{name}.py')
        cfg.data_root = str(digits_folder)
        cfg.model.backbone.pretrained = False
        assert fill_in_folder_data(cfg) == 4
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
        assert dataset.metainfo['class_counts'] == [6, 3, 1, 1]
        model = MODELS.build(cfg.model)
        model.head.loss_module.set_class_counts(dataset.class_counts)
        batch = default_collate([dataset[0], dataset[len(dataset) - 1]])
        data = model.data_preprocessor(batch, training=True)
        assert data['inputs'].shape == (6, 3, 224, 224)
        losses = model(**data, mode='loss')
        (losses['loss_cls'] + losses['loss_con']).backward()
        gradients = [p.grad for p in model.backbone.parameters() if p.grad is not None]
        assert gradients and all(torch.isfinite(gradient).all() for gradient in gradients)
        val = DATASETS.build(cfg.val_dataloader.dataset)
        assert val.class_counts.tolist() == [2, 1, 1, 0]
        assert val[0]['inputs'].shape == (3, 224, 224)

    def test_data_root_is_asked_for(self, run_tool, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        config = REPOSITORY / 'configs/rcl/timm_vit_small_folder_lt.py'
        assert run_tool('tools/train.py', config) == 1
        error = capsys.readouterr().err
        assert '--cfg-options data_root=FOLDER' in error and len(error.splitlines()) == 1


class TestDownloads:
    def test_training_without_a_network(self, run_tool, digits_folder, tmp_path, capsys):
        """A name that no resolver knows stands for a machine without a network."""
        config = tmp_path / 'config.py'
        config.write_text(
            f"_base_ = '{REPOSITORY}/configs/rcl/timm_resnet50_folder_lt.py'\n"
            f"data_root = '{digits_folder}'\n"
            "model = dict(backbone=dict(_delete_=True, type='ResNet', depth=50,\n"
            "    init_cfg=dict(type='Pretrained', checkpoint='https://host.invalid/r50.pth')))\n"
        )
        assert run_tool('tools/train.py', config, '--work-dir', tmp_path / 'work') == 1
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith('error: pre-trained weights could not be downloaded')
        assert 'give the file' in error

    @pytest.mark.parametrize('name', ['CIFAR10', 'CIFAR100'])
    def test_images_without_a_network(self, name, tmp_path, monkeypatch, capsys):
        def no_network(*args, **kwargs):
            raise urllib.error.URLError(OSError('down')) from socket.gaierror(-2, 'unknown')

        monkeypatch.setattr('urllib.request.urlopen', no_network)
        root = tmp_path / 'cifar'
        dataset = dict(type=name, data_root=f'{root}/', split='train')
        wrapped = dict(type='LongTailedDataset', dataset=dataset, imbalance_factor=10)
        assert report_errors(lambda: DATASETS.build(wrapped)) == 1
        assert capsys.readouterr().err == (
            f'error: the images of {name} are not in {root} and could not be downloaded (no '
            f'network): "python tools/prepare_data.py {name.lower()} {root}" says what to get\n'
        )

    def test_no_folder_of_cifar10_jpeg(self, tmp_path, capsys):
        root = tmp_path / 'cifar10_jpeg'
        dataset = dict(type='CustomDataset', data_root=str(root), data_prefix='train')
        assert report_errors(lambda: DATASETS.build(dataset)) == 1
        assert capsys.readouterr().err == (
            f'error: the images of CIFAR-10 (JPEG) are not in {root}/train: '
            f'"python tools/prepare_data.py cifar10_jpeg {root}" says what to get\n'
        )

    def test_no_folder_of_other_images(self, tmp_path, capsys):
        dataset = dict(type='CustomDataset', data_root=str(tmp_path), data_prefix='birds')
        assert report_errors(lambda: DATASETS.build(dataset)) == 1
        expected = f'error: {tmp_path}/birds: No such file or directory\n'
        assert capsys.readouterr().err == expected

    def test_names_the_address(self):
        try:
            try:
                raise urllib.error.URLError('[Errno -2] Name or service not known')
            except urllib.error.URLError as reason:
                raise OSError('can not get https://host/resnet50.pth') from reason
        except OSError as error:
            assert 'downloaded https://host/resnet50.pth (' in failed_download(error)

    @pytest.mark.parametrize('error', [ValueError('x'), FileNotFoundError('x'), OSError('x')])
    def test_other_errors_are_left_alone(self, error):
        assert failed_download(error) is None


class TestFilesOfPredictAndExport:
    """What the tools say of a file that is not there, and of one that can not be written."""

    def arguments(self, tool, images, out):
        return [images, '--out', out] if tool == 'predict' else ['-o', out]

    @pytest.mark.parametrize('tool', ['predict', 'export_onnx'])
    @pytest.mark.parametrize('missing', ['checkpoint', 'config'])
    def test_no_such_file__exit_2(self, run_tool, digits_folder, tmp_path, capsys, tool, missing):
        checkpoint = tmp_path / 'last.pth'
        checkpoint.touch()
        arguments = self.arguments(tool, digits_folder, tmp_path / 'never.onnx')
        if missing == 'config':
            arguments = [checkpoint, *arguments, '--config', 'nowhere']
        else:
            arguments = ['nowhere', *arguments]
        assert run_tool(f'tools/{tool}.py', *arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith(f'error: {missing} "nowhere" does not exist: give ')
        assert len(error.splitlines()) == 1

    @pytest.mark.parametrize('tool', ['predict', 'export_onnx'])
    @pytest.mark.parametrize('place', ['file/model.onnx', 'model.onnx'])
    def test_place_that_can_not_be_written(
        self, run_tool, digits_folder, tmp_path, capsys, tool, place
    ):
        """Below a file there can be no file, and a folder is none."""
        checkpoint = write_checkpoint(tmp_path / 'last.pth')
        (tmp_path / 'file').touch()
        (tmp_path / 'model.onnx').mkdir()
        before = sorted(tmp_path.iterdir())
        arguments = self.arguments(tool, digits_folder, tmp_path / place)
        assert run_tool(f'tools/{tool}.py', checkpoint, *arguments) == 1
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith(f'error: {tmp_path / place}: can not be written (')
        assert sorted(tmp_path.iterdir()) == before


def test_class_counts_of_the_wrong_length_stop_training(tmp_path):
    """Counts given by hand for a head of another size: one clear error where they are given."""
    head = dict(
        type='RCLHead',
        num_classes=4,
        in_channels=8,
        loss=dict(type='RCLLoss', class_counts=np.array([3, 2, 1])),
    )
    with pytest.raises(ValueError, match='class_counts has 3 entries, but there are 4 classes'):
        MODELS.build(head)
