"""``_base_ = 'rcl_mm::...'`` in configs of other projects."""

import pytest
from mmengine.config import Config

import rcl_mm
from rcl_mm.runtime.package_configs import register_config_package

BASE = 'rcl/resnext50_imagenet_lt.py'


def write(tmp_path, text):
    path = tmp_path / 'other.py'
    path.write_text(text)
    return Config.fromfile(path)


def test_base_of_another_project(tmp_path):
    cfg = write(tmp_path, f"_base_ = 'rcl_mm::{BASE}'\nmodel = dict(head=dict(num_classes=7))")
    assert cfg.model.head.type == 'RCLHead' and cfg.model.head.num_classes == 7


def test_needs_the_registration(tmp_path, monkeypatch):
    """The mend is what makes it work: without, MMEngine knows no package of this name."""
    mended = Config._get_cfg_path
    monkeypatch.setattr(Config, '_get_cfg_path', staticmethod(mended.without_rcl_mm))
    with pytest.raises(AssertionError, match='does not support to load rcl_mm config'):
        write(tmp_path, f"_base_ = 'rcl_mm::{BASE}'")
    register_config_package()
    assert write(tmp_path, f"_base_ = 'rcl_mm::{BASE}'").model.head.type == 'RCLHead'


def test_registered_once():
    before = Config._get_cfg_path
    register_config_package()
    assert Config._get_cfg_path is before


def test_bases_of_other_packages_are_found_as_before(tmp_path):
    cfg = write(tmp_path, "_base_ = 'mmpretrain::resnet/resnet18_8xb16_cifar10.py'")
    assert cfg.model.head.type == 'LinearClsHead'


def test_unknown_base(tmp_path):
    with pytest.raises(FileNotFoundError, match='rcl_mm has no config "rcl/nothing.py"'):
        write(tmp_path, "_base_ = 'rcl_mm::rcl/nothing.py'")


def test_config_that_imports_by_itself(tmp_path):
    cfg = write(tmp_path, f"_base_ = __import__('rcl_mm').config_path('{BASE}')")
    assert cfg.model.head.type == 'RCLHead'


def test_config_path_of_nothing():
    with pytest.raises(FileNotFoundError, match='rcl_mm has no config "rcl/nothing.py"'):
        rcl_mm.config_path('rcl/nothing.py')


def test_no_scope_is_left_behind(tmp_path):
    """MMEngine would hand ``_scope_`` to default_collate as an argument."""
    text = f"_base_ = 'rcl_mm::{BASE}'\nmine = _base_.three_view_pipeline\nhead = _base_.model.head"
    cfg = write(tmp_path, text)
    assert '_scope_' not in cfg.pretty_text
    assert [step['type'] for step in cfg.mine][1] == 'CropOnDevice'
    assert cfg.train_dataloader.collate_fn == dict(type='fast_collate')
