"""Sharded training (FSDP through MMEngine's FlexibleRunner) is the training of one process."""

from copy import deepcopy

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import MODELS

from rcl_mm.engine.sharding import wrap_blocks
from rcl_mm.runtime.checkpoint import load_checkpoint_file
from rcl_mm.runtime.compat import adapt_to_cpu

from .training import CONFIGS, train

SHIPPED = Config.fromfile(CONFIGS / 'rcl' / 'resnet152_places_lt_fsdp.py')


def sharded_options():
    """The shipped config's settings of FSDP, for the blocks of the small backbone."""
    strategy = deepcopy(SHIPPED.strategy.to_dict())
    strategy['model_wrapper']['auto_wrap_policy']['blocks'] = ['_BasicBlock']
    return dict(runner_type=SHIPPED.runner_type, strategy=strategy)


def plain_model():
    """The model without FSDP, in float64, with a norm that knows nothing of the batch."""
    cfg = Config.fromfile(CONFIGS / 'rcl' / 'resnet8_digits_lt.py')
    cfg.model.backbone.type = 'GroupNormCIFARResNet'
    cfg.model.head.norm_cfg = dict(type='GN', num_groups=4)
    cfg.model.data_preprocessor = None
    return MODELS.build({**cfg.model, '_scope_': 'mmpretrain'}).double()


def test_two_ranks_equal_one_process(two_ranks, tmp_path):
    # The two runners draw initial weights in another order: both begin with these.
    torch.save(dict(state_dict=plain_model().state_dict()), tmp_path / 'initial.pth')
    initial = dict(load_from=str(tmp_path / 'initial.pth'))
    expected = train(0, 1, str(tmp_path), 'group', initial)
    results = two_ranks.run(train, str(tmp_path), 'group', {**initial, **sharded_options()})
    for result in results:
        assert result['units'] == 1 + 3, 'the three blocks of ResNet-8 are sharded, and the rest'
        assert result['counts'] == expected['counts']
    found = results[0]['weights']
    assert found.keys() == expected['weights'].keys()
    for name, weight in expected['weights'].items():
        np.testing.assert_allclose(found[name], weight, atol=1e-9, rtol=0)

    # The checkpoint is a plain one: a model without FSDP loads it.
    checkpoint = load_checkpoint_file(str(tmp_path / '2_None' / 'iter_5.pth'))
    assert checkpoint['meta']['dataset_meta']['class_counts'] == expected['counts']
    state = {k: v for k, v in checkpoint['state_dict'].items() if 'data_preprocessor' not in k}
    model = plain_model()
    model.load_state_dict(state, strict=True)
    for name, weight in model.named_parameters():
        np.testing.assert_array_equal(weight.detach().numpy(), found[name])


def test_resume_is_exact(two_ranks, tmp_path):
    """Weights and the optimizer's state, each rank's shard, come back from one checkpoint."""
    in_one_go = two_ranks.run(train, str(tmp_path / 'one'), 'group', sharded_options())[0]
    part = {**sharded_options(), 'train_cfg.max_iters': 3}
    two_ranks.run(train, str(tmp_path / 'two'), 'group', part)
    rest = {**sharded_options(), 'resume': True}
    resumed = two_ranks.run(train, str(tmp_path / 'two'), 'group', rest)[0]
    assert len(resumed['losses']) == 2
    for name, weight in in_one_go['weights'].items():
        np.testing.assert_array_equal(resumed['weights'][name], weight)


def test_config_shards_blocks_and_keeps_the_head_whole():
    policy = SHIPPED.strategy.model_wrapper.auto_wrap_policy
    cfg = deepcopy(SHIPPED.model)
    cfg.backbone.init_cfg = None
    model = MODELS.build({**cfg, '_scope_': 'mmpretrain'})
    units = [
        name
        for name, module in model.named_modules()
        if wrap_blocks(module, False, 0, blocks=policy.blocks)
    ]
    assert len(units) == 3 + 8 + 36 + 3 and all(name.startswith('backbone') for name in units)
    norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    assert all(isinstance(norm, torch.nn.SyncBatchNorm) for norm in norms)


def test_config_on_a_cpu(monkeypatch):
    """FSDP is told the device, and torch's SyncBatchNorm, which a CPU has not, is replaced."""
    monkeypatch.setattr('rcl_mm.runtime.compat.has_accelerator', lambda: False)
    cfg = deepcopy(SHIPPED)
    cfg.launcher = 'pytorch'
    adapt_to_cpu(cfg)
    assert cfg.strategy.model_wrapper.device_id == 'cpu'
    assert cfg.model.backbone.norm_cfg.type == cfg.model.head.norm_cfg.type == 'BN'


def test_policy_looks_inside_everything_and_takes_only_blocks():
    module = torch.nn.Linear(2, 2)
    assert wrap_blocks(module, True, 6) is True and wrap_blocks(module, False, 6) is False
