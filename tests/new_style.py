"""A new-style config: classes as types, on images in data/train and data/val."""

NEW_STYLE = """
from mmengine.dataset import DefaultSampler
from mmengine.hooks import CheckpointHook, LoggerHook
from mmengine.optim import AmpOptimWrapper
from mmengine.runner import EpochBasedTrainLoop
from mmpretrain.datasets import CustomDataset, LoadImageFromFile, PackInputs, Resize
from mmpretrain.evaluation import Accuracy
from mmpretrain.models import GlobalAveragePooling, ImageClassifier, LinearClsHead
from torch.optim import SGD

from rcl_mm.models import CIFARResNet

pipeline = [
    dict(type=LoadImageFromFile), dict(type=Resize, scale=(16, 16)), dict(type=PackInputs)]
train_dataloader = dict(
    batch_size=8, num_workers=0, sampler=dict(type=DefaultSampler, shuffle=True),
    dataset=dict(type=CustomDataset, data_root=ROOT, data_prefix='train', pipeline=pipeline))
val_dataloader = dict(
    batch_size=8, num_workers=0, sampler=dict(type=DefaultSampler, shuffle=False),
    dataset=dict(type=CustomDataset, data_root=ROOT, data_prefix='val', pipeline=pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type=Accuracy, topk=(1,))
test_evaluator = val_evaluator
model = dict(
    type=ImageClassifier,
    backbone=dict(type=CIFARResNet, depth=8),
    neck=dict(type=GlobalAveragePooling),
    head=dict(type=LinearClsHead, num_classes=3, in_channels=64))
optim_wrapper = dict(
    type=AmpOptimWrapper, dtype='bfloat16', optimizer=dict(type=SGD, lr=0.05, momentum=0.9))
train_cfg = dict(type=EpochBasedTrainLoop, max_epochs=1, val_interval=1)
val_cfg = dict()
test_cfg = dict()
default_scope = 'mmpretrain'
default_hooks = dict(
    checkpoint=dict(type=CheckpointHook, interval=1, save_best='accuracy/top1'),
    logger=dict(type=LoggerHook, interval=1))
"""


def new_style(root) -> str:
    """The text of the config for a data root."""
    return NEW_STYLE.replace('ROOT', repr(str(root)))
