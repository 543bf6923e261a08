"""A few iterations of the real digits config through MMEngine's runner, in float64."""

from pathlib import Path
from unittest import mock

import torch
from mmengine.config import Config
from mmengine.dist import is_distributed
from mmengine.hooks import Hook
from mmengine.registry import MODELS
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.nn.modules.batchnorm import _BatchNorm

from rcl_mm.cli.launch import build_runner
from rcl_mm.models import CIFARResNet, MultiViewDataPreprocessor
from rcl_mm.ops import gather

from .wrong_gathers import WRONG

CONFIGS = Path(__file__).parents[2] / 'configs'
GLOBAL_BATCH = 18


@MODELS.register_module(force=True)
class DoubleDataPreprocessor(MultiViewDataPreprocessor):
    """Images in float64, so that only the way of computing can make a difference."""

    def forward(self, data, training=False):
        result = super().forward(data, training)
        return {**result, 'inputs': result['inputs'].double()}


@MODELS.register_module(force=True)
class GroupNormCIFARResNet(CIFARResNet):
    """The config's backbone with a norm that knows nothing of the batch."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        for parent in list(self.modules()):
            for name, child in parent.named_children():
                if isinstance(child, nn.BatchNorm2d):
                    setattr(parent, name, nn.GroupNorm(4, child.num_features))


class RecordingHook(Hook):
    """Losses of every iteration, and each parameter's gradient as the first step gets it."""

    def __init__(self, freeze_batch_norm: bool) -> None:
        self.freeze_batch_norm = freeze_batch_norm
        self.losses, self.gradients = [], {}

    def before_train(self, runner):
        optimizer = runner.optim_wrapper.optimizer
        optimizer.register_step_pre_hook(lambda *_: self._keep_gradients(runner))

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        for module in runner.model.modules():
            if self.freeze_batch_norm and isinstance(module, _BatchNorm):
                module.eval()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append({name: value.item() for name, value in outputs.items()})

    def _keep_gradients(self, runner):
        if not self.gradients and not isinstance(runner.model, FullyShardedDataParallel):
            for name, parameter in bare(runner.model).named_parameters():
                assert parameter.grad is not None, f'{name} has no gradient'
                self.gradients[name] = parameter.grad.cpu().numpy().copy()


def bare(model):
    return model.module if hasattr(model, 'module') else model


def config(ranks: int, work_dir: str, norm: str, options: dict) -> Config:
    cfg = Config.fromfile(CONFIGS / 'rcl' / 'resnet8_digits_lt.py')
    cfg.launcher = 'pytorch' if is_distributed() else 'none'
    cfg.work_dir = work_dir
    cfg.train_dataloader.update(
        batch_size=GLOBAL_BATCH // ranks, num_workers=0, persistent_workers=False
    )
    cfg.train_cfg = dict(by_epoch=False, max_iters=5, val_interval=100)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.checkpoint = None
    cfg.model.data_preprocessor.type = 'DoubleDataPreprocessor'
    if norm == 'group':
        cfg.model.backbone.type = 'GroupNormCIFARResNet'
        cfg.model.head.norm_cfg = dict(type='GN', num_groups=4)
    cfg.log_level = 'ERROR'
    if 'runner_type' in options:
        cfg.default_hooks.checkpoint = dict(type='CheckpointHook', by_epoch=False, interval=5)
    cfg.merge_from_dict(options)
    return cfg


def train(rank, world_size, work_dir, norm, options=None, wrong=None):
    """Five iterations; losses, first gradients, final weights, class counts of the loss.

    Args:
        norm (str): 'group', 'frozen' for batch norm with fixed statistics, or 'batch'.
        options (dict): Settings of the config to change.
        wrong (str): A gather that loses gradients, of ``wrong_gathers``.
    """
    gather._agreed = (None, 0)  # as in a new job
    cfg = config(world_size, f'{work_dir}/{world_size}_{wrong}', norm, options or {})
    torch.set_default_dtype(torch.float64)
    try:
        # Laying out the config's text, for its copy on disk, takes longer than the training.
        with mock.patch.object(Config, 'pretty_text', ''):
            return run(cfg, norm, wrong)
    finally:
        torch.set_default_dtype(torch.float32)


def run(cfg, norm, wrong):
    runner = build_runner(cfg)
    hook = RecordingHook(freeze_batch_norm=norm == 'frozen')
    runner.register_hook(hook)
    gather = mock.patch('rcl_mm.functional.gather_embeddings', WRONG.get(wrong))
    with gather if wrong else mock.MagicMock():
        runner.train()
    model = bare(runner.model)
    names = {name.replace('_fsdp_wrapped_module.', '') for name, _ in model.named_parameters()}
    sharded = isinstance(runner.model, FullyShardedDataParallel)
    state = runner.strategy.model_state_dict() if sharded else model.state_dict()
    return dict(
        losses=hook.losses,
        gradients=hook.gradients,
        # FSDP gathers the whole weights on rank 0 only.
        weights={name: state[name].cpu().numpy() for name in names if name in state or not sharded},
        norms=[type(one).__name__ for one in model.modules() if isinstance(one, _BatchNorm)],
        counts=model.head.loss_module.class_counts.tolist(),
        units=sum(
            isinstance(module, FullyShardedDataParallel) for module in runner.model.modules()
        ),
    )
