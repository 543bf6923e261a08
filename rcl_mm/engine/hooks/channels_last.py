"""Settings that make training on a GPU faster and change nothing else."""

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Keep the weights in channels-last memory, which convolutions on tensor cores want.

    Give the model channels-last images, too: ``MultiViewDataPreprocessor(channels_last=True)``.
    Otherwise each convolution reorders its weights in every step. Values, shapes and checkpoints
    stay as they are.

    Example:
        >>> custom_hooks = [dict(type='ChannelsLastHook')]
    """

    # After the checkpoint is loaded; before CompileHook.
    priority = 'NORMAL'

    def before_train(self, runner: Runner) -> None:
        """Reorder all convolution weights in place."""
        runner.model.to(memory_format=torch.channels_last)
