"""A network that trains in milliseconds, and the trouble that tests make; imported by their config.

Environment: SLOW_SAVE=FOLDER makes every file that is synced wait for a while before it is renamed,
after leaving a mark in the folder.
"""

import os
import resource
import time
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.registry import HOOKS, MODELS
from torch import nn

if 'SLOW_SAVE' in os.environ:
    _sync = os.fsync
    _marks = iter(range(1000))

    def _slow_sync(descriptor):
        _sync(descriptor)
        (Path(os.environ['SLOW_SAVE']) / f'saving_{next(_marks)}').touch()
        time.sleep(1)

    os.fsync = _slow_sync


@MODELS.register_module(force=True)
class SmallNet(nn.Module):
    """A convolution with batch norm, and dropout, which draws from torch's generator."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 16, 5, stride=4), nn.BatchNorm2d(16), nn.ReLU(), nn.Dropout(0.2)
        )
        self.broken = False

    def forward(self, x):
        """Features; not a number once broken."""
        return (self.layers(x) * (float('nan') if self.broken else 1.0),)


@HOOKS.register_module(force=True)
class TroubleHook(Hook):
    """Makes trouble when so many iterations are finished.

    Args:
        stage (str): 'before_train_iter' or 'before_val_epoch'.
        at (int): Finished iterations.
        kind (str): 'die': end the process at once, as far as a test in the same process can
            tell, saving nothing; 'full_disk': no file may grow from now on; 'nan_loss':
            the model's features are no numbers; 'nan_weight': a statistic is no number, which no
            training loss shows.
    """

    priority = 'HIGHEST'

    def __init__(self, stage, at, kind):
        self.stage, self.at, self.kind = stage, at, kind

    def before_train_iter(self, runner, *args, **kwargs):
        """Trouble in training."""
        self.trouble(runner, 'before_train_iter')

    def before_val_epoch(self, runner):
        """Trouble in validation."""
        self.trouble(runner, 'before_val_epoch')

    def trouble(self, runner, stage):
        """Make it if it is time."""
        if stage != self.stage or runner.iter != self.at:
            return
        if self.kind == 'die':
            raise SystemExit(9)
        if self.kind == 'full_disk':
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
        elif self.kind == 'nan_loss':
            runner.model.backbone.broken = True
        elif self.kind == 'nan_weight':
            # Batch norm uses it in validation only.
            runner.model.backbone.layers[1].running_mean[0] = float('nan')
