"""Memory of a training step of a config, counted without a GPU and without computing anything.

The largest sum of all tensors during a step: parameters, gradients, momentum, activations and what
the operations need in between, by PyTorch's memory tracker on tensors without data. CUDA's context
and cuDNN's work space, 1 to 2 GiB, come on top. The tracker takes no model with frozen parameters.

Example:
    python tools/benchmarks/step_memory.py configs/rcl/resnext50_imagenet_lt.py
    python tools/benchmarks/step_memory.py CONFIG --cfg-options model.backbone.with_cp=True
"""

import argparse
import sys
import warnings
from contextlib import nullcontext
from unittest import mock

import torch
from measuring import ROOT  # noqa: F401  the package beside the tools
from mmengine.config import Config, DictAction
from mmengine.registry import MODELS, init_default_scope
from mmpretrain.structures import DataSample
from torch._subclasses import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

import rcl_mm  # noqa: F401  registers everything


def step_memory(cfg: Config, size: int = 224) -> int:
    """Bytes of one step of forward, backward and update.

    Args:
        cfg (Config): A whole config.
        size (int): Side of the views. Defaults to 224.
    """
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    model_cfg = cfg.model.copy()
    views = len(model_cfg.data_preprocessor.get('view_augments') or ())
    if not views:
        views = sum(cfg.train_dataloader.dataset.pipeline[1].num_views)
    batch = cfg.train_dataloader.batch_size
    wrapper = dict(cfg.optim_wrapper)
    mixed = 'Amp' in wrapper['type']
    settings = dict(wrapper['optimizer'])
    optimizer_type = getattr(torch.optim, settings.pop('type'))
    channels_last = bool(model_cfg.data_preprocessor.get('channels_last'))
    model = MODELS.build(model_cfg).train()
    if channels_last:
        model.to(memory_format=torch.channels_last)
    for module in model.modules():
        if hasattr(module, 'set_class_counts'):
            module.set_class_counts([100] * model_cfg.head.num_classes)
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    # Checks of labels ask for values, which there are none: let them see 0.
    zero = dict(__int__=lambda _: 0, __bool__=lambda _: False, item=lambda _: 0)
    no_values = mock.patch.multiple(torch.Tensor, **zero)
    with no_values, FakeTensorMode(allow_non_fake_inputs=True) as mode:
        model._apply(mode.from_tensor)
        optimizer = optimizer_type(model.parameters(), **settings)
        images = torch.zeros(views * batch, 3, size, size)
        if channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        labels = torch.zeros(batch, 1, dtype=torch.int64)
        samples = [DataSample().set_gt_label(label) for label in labels]

        def step() -> None:
            with torch.autocast('cpu', torch.bfloat16) if mixed else nullcontext():
                loss, _ = model.parse_losses(model(images, samples, mode='loss'))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

        # From the second step on there is the optimizer's state.
        step()
        tracker = MemTracker()
        tracker.track_external(model, optimizer, images)
        with tracker:
            step()
    peak = tracker.get_tracker_snapshot('peak')
    return max(sum(v for k, v in kinds.items() if str(k) == 'Total') for kinds in peak.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('configs', nargs='+')
    parser.add_argument('--size', type=int, default=224, help='side of the views')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    args = parser.parse_args()
    warnings.filterwarnings('ignore')
    for path in args.configs:
        cfg = Config.fromfile(path)
        cfg.merge_from_dict(args.cfg_options or {})
        if cfg.model.backbone.get('frozen_stages', -1) >= 0:
            sys.exit(f'{path} has frozen_stages: the tracker takes no frozen parameters')
        print(f'{path}: {step_memory(cfg, args.size) / 2**30:.1f} GiB', flush=True)


if __name__ == '__main__':
    main()
