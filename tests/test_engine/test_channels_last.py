"""Channels-last weights: another order in memory, the same values."""

from types import SimpleNamespace

import torch
from torch import nn

from rcl_mm.engine.hooks.channels_last import ChannelsLastHook


def test_channels_last_hook__same_values_and_parameters():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 3))
    images = torch.randn(2, 3, 12, 12)
    before, expected = list(model.parameters()), model(images)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    ChannelsLastHook().before_train(SimpleNamespace(model=model))
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    # The optimizer holds the parameters already.
    assert all(a is b for a, b in zip(before, model.parameters()))
    for name, value in model.state_dict().items():
        if 'num_batches' not in name and 'running' not in name:
            assert torch.equal(value, state[name])
    result = model(images.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(result, expected)
