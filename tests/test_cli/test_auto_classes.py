"""``num_classes='auto'`` and ``--tta``: every tool finishes a config in the same way."""

import pytest
from small_images import REPOSITORY, own_environment, run_tool, write_digits  # noqa: F401

FOLDER = f"""
_base_ = [
    {str(REPOSITORY / 'configs/_base_/datasets/folder_lt.py')!r},
    {str(REPOSITORY / 'configs/_base_/default_runtime.py')!r},
]
data_root = 'data'
crop = dict(type='RandomResizedCrop', scale=16)
views = dict(type='ReproducibleMultiView', num_views=2, transforms=[[crop]])
train_pipeline = [dict(type='LoadImageFromFile'), views, dict(type='PackInputs')]
test_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='Resize', scale=(16, 16)), dict(type='PackInputs'),
]
loader = dict(batch_size=8, num_workers=0, persistent_workers=False)
train_dataloader = dict(**loader, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(**loader, dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(**loader, dataset=dict(pipeline=test_pipeline))
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(
        type='MultiViewDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3, to_rgb=True
    ),
    backbone=dict(type='CIFARResNet', depth=8),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='RCLHead', num_classes='auto', in_channels=64, loss=dict(type='RCLLoss')),
)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.05))
train_cfg = dict(by_epoch=True, max_epochs=1, val_interval=1)
val_cfg = dict()
test_cfg = dict()
"""
WRAPPED = """
_base_ = 'folder.py'
inner = dict(type='FolderLT', split='test', pipeline={{_base_.test_pipeline}})
test_dataloader = dict(dataset=dict(_delete_=True, WRAPPER))
"""
WRAPPERS = {
    'repeated': "type='RepeatDataset', times=2, dataset=inner",
    'joined': "type='ConcatDataset', datasets=[inner, inner], ignore_keys=['class_counts']",
}


@pytest.fixture
def trained(tmp_path, monkeypatch, run_tool):  # noqa: F811
    """A checkpoint of three classes, in the current folder."""
    monkeypatch.chdir(tmp_path)
    for split in ('train', 'val'):
        write_digits(tmp_path / f'data/{split}', dict(a=6, b=4, c=2))
    (tmp_path / 'folder.py').write_text(FOLDER)
    assert run_tool('tools/train.py', 'folder.py', '--work-dir', 'work') == 0
    return 'work/epoch_1.pth'


class TestAutoClasses:
    def test_tools_with_the_config_by_hand(self, trained, run_tool, tmp_path):  # noqa: F811
        assert run_tool('tools/predict.py', trained, 'data/val', '--config', 'folder.py') == 0
        arguments = ('tools/export_onnx.py', trained, '-o', 'model.onnx', '--config', 'folder.py')
        assert run_tool(*arguments) == 0
        assert (tmp_path / 'model.onnx').is_file()

    def test_tta__options_of_the_model_reach_it(self, trained, run_tool, capsys):  # noqa: F811
        arguments = ('tools/test.py', 'folder.py', trained, '--work-dir', 'test', '--tta')
        assert run_tool(*arguments) == 0
        wrong = run_tool(*arguments, '--cfg-options', 'model.head.in_channels=32')
        assert wrong == 1 and 'head.fc.weight' in capsys.readouterr().err

    @pytest.mark.parametrize('wrapper', WRAPPERS)
    def test_tta__wrapped_test_sets(self, trained, run_tool, tmp_path, wrapper):  # noqa: F811
        text = WRAPPED.replace('WRAPPER', WRAPPERS[wrapper])
        (tmp_path / 'wrapped.py').write_text(text)
        arguments = ('tools/test.py', 'wrapped.py', trained, '--work-dir', 'test', '--tta')
        assert run_tool(*arguments) == 0
