"""Whether the optimizer in a checkpoint is the one of a run."""

from typing import Any, Dict, Optional, Union

from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor
from torch.optim import Optimizer

#: Settings that newer versions of torch added to all optimizers: how, not what is computed.
HOW = {'foreach', 'maximize', 'capturable', 'differentiable', 'fused', 'decoupled_weight_decay'}
#: Averages that have the shape of their weight.
LIKE_WEIGHT = ('momentum_buffer', 'exp_avg', 'exp_avg_sq', 'max_exp_avg_sq', 'square_avg', 'sum')


def optimizer_problem(
    wrapper: Union[OptimWrapper, OptimWrapperDict], saved: Dict[str, Any]
) -> Optional[str]:
    """Why a saved state can not be loaded into a run's optimizer, or None if it can.

    torch finds another number of weights by itself; the state of another kind of optimizer it
    loads, and the first step fails, or computes something else.

    Args:
        wrapper (OptimWrapper | OptimWrapperDict): Of the run.
        saved (dict): ``checkpoint['optimizer']``.
    """
    if isinstance(wrapper, OptimWrapperDict):
        own = dict(wrapper.items())
        if set(own) != set(saved):
            return f'it has the optimizers {sorted(map(str, saved))}, this run {sorted(own)}'
        problems = (
            optimizer_problem(own[name], saved[name])
            if isinstance(saved[name], dict)
            else f'its optimizer {name} is no dict'
            for name in own
        )
        return next((problem for problem in problems if problem), None)
    return _problem(wrapper.optimizer, saved)


def _problem(optimizer: Optimizer, saved: Dict[str, Any]) -> Optional[str]:
    groups, state = saved.get('param_groups'), saved.get('state')
    lists = isinstance(groups, list) and all(
        isinstance(group, dict) and isinstance(group.get('params'), list) for group in groups
    )
    if not lists or not isinstance(state, dict):
        return 'its optimizer has no param_groups and state'
    if not isinstance(saved.get('loss_scaler', {}), dict):
        return 'its optimizer has a loss_scaler that is no dict'
    sizes = [len(group['params']) for group in groups]
    own = [len(group['params']) for group in optimizer.param_groups]
    if sizes != own:
        return (
            f'its optimizer has {len(sizes)} groups of {sum(sizes)} weights, the one of this run '
            f'{len(own)} of {sum(own)}'
        )
    absent = sorted(set(optimizer.defaults) - HOW - set(groups[0]))
    if absent:
        kind = type(optimizer).__name__
        return f'its optimizer is another one than {kind}, without {", ".join(absent)}'
    weights = [weight for group in optimizer.param_groups for weight in group['params']]
    numbers = [number for group in groups for number in group['params']]
    for number, weight in zip(numbers, weights):
        values = state.get(number, {})
        if not isinstance(values, dict):
            return f'its optimizer has a {type(values).__name__} as the state of weight {number}'
        for name in LIKE_WEIGHT:
            value = values.get(name)
            if isinstance(value, Tensor) and value.shape != weight.shape:
                return (
                    f'{name} of weight {number} in its optimizer has shape {tuple(value.shape)}, '
                    f'the weight {tuple(weight.shape)}'
                )
    return None
