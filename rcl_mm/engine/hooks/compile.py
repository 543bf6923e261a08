"""torch.compile for the parts of a model where it pays."""

from typing import Any, Callable, Dict, Sequence

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import nn

from rcl_mm.errors import InputError


@HOOKS.register_module()
class CompileHook(Hook):
    """Run parts of the model through ``torch.compile`` while training, for full batches.

    MMEngine's ``compile=True`` compiles the whole model, whose data samples are Python objects that
    break the graph. The backbone is where the time goes and is one graph. Only the shape of the
    first batch is compiled: a smaller last batch, validation and testing run as they are, so
    that nothing is compiled twice. Names of parameters, and so checkpoints, do not change.

    Args:
        modules (Sequence[str]): Names of submodules. Defaults to ('backbone', ).
        **options: Arguments of ``torch.compile`` (backend, mode, ...).

    Raises:
        InputError: If the model has no submodule of such a name.

    Example:
        >>> custom_hooks = [dict(type='CompileHook', modules=['backbone'])]
    """

    priority = 'LOW'

    def __init__(self, modules: Sequence[str] = ('backbone',), **options: Any) -> None:
        self.names = [modules] if isinstance(modules, str) else list(modules)
        self.options: Dict[str, Any] = {'dynamic': False, **options}

    def before_train(self, runner: Runner) -> None:
        """Replace the forward of the chosen parts."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        for name in self.names:
            try:
                module = model.get_submodule(name)
            except AttributeError:
                parts = [child for child, _ in model.named_children()]
                raise InputError(
                    f'CompileHook: the model has no part "{name}", allowed are {parts} and parts '
                    'of them'
                ) from None
            module.forward = _compiled_for_one_shape(module, self.options)

    def after_train(self, runner: Runner) -> None:
        """Put the original forward back."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        for name in self.names:
            vars(model.get_submodule(name)).pop('forward', None)


def _compiled_for_one_shape(module: nn.Module, options: Dict[str, Any]) -> Callable:
    plain = module.forward
    compiled = torch.compile(plain, **options)
    shapes = []

    def forward(images: torch.Tensor):
        if not module.training:
            return plain(images)
        if not shapes:
            shapes.append(images.shape)
        return compiled(images) if images.shape == shapes[0] else plain(images)

    return forward
