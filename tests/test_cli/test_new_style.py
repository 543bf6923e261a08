"""Every tool on a new-style config and on what Config.dump makes of it."""

import pytest
from mmengine.config import Config
from new_style import new_style
from small_images import own_environment, run_tool, write_digits  # noqa: F401

from rcl_mm.cli.convert import main as convert


@pytest.fixture(params=['classes', 'dump'])
def config(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for split in ('train', 'val'):
        write_digits(tmp_path / f'data/{split}', dict(a=4, b=3, c=2))
    path = tmp_path / 'lazy.py'
    path.write_text(new_style(tmp_path / 'data'))
    if request.param == 'dump':
        Config.fromfile(path).dump(str(tmp_path / 'dump.py'))
        path = tmp_path / 'dump.py'
    return path


class TestNewStyleConfigs:
    def test_train__test__predict__export(self, config, run_tool, tmp_path):  # noqa: F811
        work = tmp_path / 'work'
        assert run_tool('tools/train.py', config, '--work-dir', work) == 0
        (log,) = work.glob('*/vis_data/config.py')
        used = Config.fromfile(log)
        assert used.train_cfg.type == 'ResumableEpochBasedTrainLoop'
        assert used.default_hooks.checkpoint.type == 'AtomicCheckpointHook'
        assert used.optim_wrapper.type == 'CPUAmpOptimWrapper'
        checkpoint = work / 'epoch_1.pth'
        for option in ((), ('--tta',)):
            arguments = ('tools/test.py', config, checkpoint, '--work-dir', work, *option)
            assert run_tool(*arguments) == 0
        for option in ((), ('--config', config)):
            assert run_tool('tools/predict.py', checkpoint, tmp_path / 'data/val', *option) == 0
            out = tmp_path / 'model.onnx'
            assert run_tool('tools/export_onnx.py', checkpoint, '-o', out, *option) == 0
        assert run_tool('tools/report.py', work, '-o', tmp_path / 'report.html') == 0

    def test_rcl(self, config, run_tool, tmp_path):  # noqa: F811
        assert run_tool('tools/train.py', config, '--rcl', '--work-dir', tmp_path / 'rcl') == 0

    def test_converted__is_a_config_that_trains(self, config, run_tool, tmp_path):  # noqa: F811
        out = tmp_path / 'converted.py'
        assert convert([str(config), '-o', str(out)]) == 0
        new = Config.fromfile(out)
        assert new.optim_wrapper.optimizer.momentum == 0.9
        assert new.default_hooks.checkpoint.save_best == 'long_tail/top1'
        assert run_tool('tools/train.py', out, '--work-dir', tmp_path / 'work') == 0
        assert run_tool('tools/inspect_data.py', out, '-o', tmp_path / 'inspect') == 0
        assert run_tool('tools/browse_views.py', out, '-o', tmp_path / 'views.png') == 0
