"""CompileHook: same numbers, only full training batches, same names in the checkpoint."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from rcl_mm.engine.hooks.compile import CompileHook


class _Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(3, 4), nn.ReLU())


def hooked(calls):
    """A model whose compiler counts the graphs it is given and runs them as they are."""

    def backend(graph, inputs):
        calls.append([tuple(x.shape) for x in inputs if x.ndim == 2])
        return graph.forward

    torch.manual_seed(0)
    model = _Model().train()
    hook = CompileHook(backend=backend)
    runner = SimpleNamespace(model=model)
    hook.before_train(runner)
    return model, hook, runner


def test_same_values_and_one_graph_for_full_batches_only():
    calls = []
    model, hook, runner = hooked(calls)
    plain = _Model()
    plain.load_state_dict(model.state_dict())
    for rows in (8, 8, 5, 8):
        x = torch.randn(rows, 3)
        torch.testing.assert_close(model.backbone(x), plain.backbone(x))
    assert len(calls) == 1 and (8, 3) in calls[0]
    model.eval()
    model.backbone(torch.randn(8, 3))
    assert len(calls) == 1


def test_names_stay_and_training_ends_with_the_original():
    model, hook, runner = hooked([])
    assert set(model.state_dict()) == set(_Model().state_dict())
    hook.after_train(runner)
    assert 'forward' not in vars(model.backbone)


def test_unknown_part():
    with pytest.raises(ValueError, match=r'no part "neck".*backbone'):
        CompileHook(['neck']).before_train(SimpleNamespace(model=_Model()))
