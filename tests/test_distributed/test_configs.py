"""The multi-GPU configs: batch norm over all GPUs, the projector's and the prototypes' included."""

import copy

import pytest
from mmengine.config import Config
from mmengine.model import convert_sync_batchnorm
from mmengine.registry import MODELS
from torch import nn

from .training import CONFIGS

MULTI_GPU = sorted(path for path in CONFIGS.glob('*/*.py') if '8gpu' in path.name)


def test_there_are_multi_gpu_configs():
    assert len(MULTI_GPU) >= 4


@pytest.mark.parametrize('path', MULTI_GPU, ids=lambda path: f'{path.parent.name}/{path.stem}')
def test_batch_norm_is_synchronised__projector_and_prototypes_too(path):
    cfg = Config.fromfile(path)
    head = MODELS.build({**copy.deepcopy(cfg.model.head), '_scope_': 'mmpretrain'})
    # What MMEngine's runner does with `sync_bn` before it wraps the model.
    head = convert_sync_batchnorm(head, cfg.sync_bn)
    norms = {
        name: type(module)
        for name, module in head.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
    }
    assert norms == {
        'projector.layers.1': nn.SyncBatchNorm,
        'prototype_projector.layers.1': nn.SyncBatchNorm,
    }
    assert cfg.model.head.loss.get('gather', True), 'the contrastive batch is that of all ranks'
