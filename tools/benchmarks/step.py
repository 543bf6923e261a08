"""Training step of ResNeXt-50 on ImageNet-LT: the default recipe's settings one by one.

One step is forward, backward and update for 3 views of each image, RCL's loss included in both.
"fp32 eager" is what BCL's public script does (PyTorch's defaults: TF32 in convolutions on a GPU,
float32 elsewhere), with the same loss as the fast step: with BCL's own loss it would be slower.

Example:
    python tools/benchmarks/step.py --device cuda
    python tools/benchmarks/step.py --only-cifar
    python tools/benchmarks/step.py --batch 2 --size 64 --rounds 2 --no-compile
"""

import argparse
import gc
import sys
import time
from types import SimpleNamespace
from typing import Callable, Iterator, List

import numpy as np
import torch
from measuring import ROOT, machine_lines, report_rows, show_progress, spread, synchronize
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch.utils.data import DataLoader

import rcl_mm  # noqa: F401  registers everything
from rcl_mm.augment.views import CifarClsAugment, CifarSimAugment
from rcl_mm.datasets import ReproducibleSampler, ResidentDataset, resident_collate
from rcl_mm.engine.hooks.channels_last import ChannelsLastHook
from rcl_mm.engine.hooks.compile import CompileHook
from rcl_mm.engine.views_ahead import with_views_ahead
from rcl_mm.models.preprocessors import AHEAD_BYTES

VIEWS, CLASSES = 3, 1000
STEPS = 3  # a round
CIFAR = ROOT / 'configs/rcl/resnet32_cifar100_lt.py'
RECIPE = ROOT / 'configs/rcl/resnext50_imagenet_lt.py'
TARGET = 2.0
# Steps of an epoch of noise: the first batch is made alone, the others are one block.
CIFAR_STEPS = dict(cuda=25, cpu=5)


class Trainer:
    """A model and its optimizer, with some of the fast settings."""

    def __init__(self, args, bf16=False, channels_last=False, fused=False, compiled=False) -> None:
        config = Config.fromfile(str(RECIPE))
        self.device = torch.device(args.device)
        preprocessor = config.model.data_preprocessor
        preprocessor.view_size = args.size
        for augment in preprocessor.view_augments:
            augment.compile = compiled and not args.no_compile
        torch.manual_seed(0)
        self.model = MODELS.build(config.model).to(self.device).train()
        for part in self.model.modules():
            if hasattr(part, 'set_class_counts'):
                part.set_class_counts(np.geomspace(1280, 5, CLASSES).astype(np.int64))
        wrapper = dict(config.optim_wrapper, optimizer=dict(config.optim_wrapper.optimizer))
        wrapper['optimizer']['fused'] = fused
        if not bf16:
            wrapper.pop('dtype')
            wrapper['type'] = 'OptimWrapper'
        elif self.device.type == 'cpu':
            wrapper['type'] = 'CPUAmpOptimWrapper'
        self.memory = torch.channels_last if channels_last else torch.contiguous_format
        # In the order of a run's hooks.
        if channels_last:
            ChannelsLastHook().before_train(SimpleNamespace(model=self.model))
        self.optimizer = build_optim_wrapper(self.model, wrapper)
        if compiled and not args.no_compile:
            CompileHook().before_train(SimpleNamespace(model=self.model))

    def resident(self, batch: int, size: int) -> dict:
        """Normalised views and labels that lie on the device already."""
        generator = torch.Generator().manual_seed(0)
        inputs = torch.randn(VIEWS * batch, 3, size, size, generator=generator).to(self.device)
        labels = torch.randint(CLASSES, (batch, 1), generator=generator).to(self.device)
        samples = [DataSample().set_gt_label(label) for label in labels]
        return dict(inputs=inputs.contiguous(memory_format=self.memory), data_samples=samples)

    def step(self, data: dict) -> torch.Tensor:
        """Forward, backward, update."""
        with self.optimizer.optim_context(self.model):
            losses = self.model(data['inputs'], data['data_samples'], mode='loss')
        loss, _ = self.model.parse_losses(losses)
        self.optimizer.update_params(loss)
        return loss.detach()


def seconds(function: Callable, args, warm_up: int = 3, each: int = STEPS) -> List[float]:
    """Seconds a call, ``rounds`` figures of ``each`` calls."""
    for _ in range(warm_up):
        function()
    result = []
    for _ in range(args.rounds):
        synchronize(args.device)
        start = time.perf_counter()
        for _ in range(each):
            function()
        synchronize(args.device)
        result.append((time.perf_counter() - start) / each)
    return result


def free(args) -> None:
    gc.collect()
    if args.device == 'cuda':
        torch.cuda.empty_cache()


def measure_step(args, batch: int, **settings) -> List[float]:
    """Seconds of a step with these settings, and that its loss is finite."""
    trainer = Trainer(args, **settings)
    data = trainer.resident(batch, args.size)
    result = seconds(lambda: trainer.step(data), args)
    if not torch.isfinite(trainer.step(data)):
        raise RuntimeError(f'the loss is not finite with {settings}')
    return result


def measure_cifar(args, batch: int) -> List[float]:
    """The three CIFAR views of a batch of 32x32."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (batch, 3, 32, 32), generator=generator, dtype=torch.uint8)
    images, draws = images.to(args.device), torch.arange(batch)
    views = [CifarClsAugment(), CifarSimAugment(), CifarSimAugment()]

    def augment():
        for view, module in enumerate(views):
            module(images, draws, view)

    result = seconds(augment, args, each=10 if args.device == 'cuda' else 1)
    if args.device == 'cuda':
        torch.cuda.set_sync_debug_mode('error')
        augment()
        torch.cuda.set_sync_debug_mode('default')
    return result


class _Noise:
    """Images of noise with labels, in memory."""

    def __init__(self, images: int) -> None:
        random = np.random.default_rng(0)
        self.images = random.integers(0, 256, (images, 32, 32, 3), dtype=np.uint8)
        self.metainfo = dict(classes=tuple(map(str, range(100))))

    def __len__(self) -> int:
        return len(self.images)

    def get_gt_labels(self) -> np.ndarray:
        return np.arange(len(self)) % 100

    def get_data_info(self, index: int) -> dict:
        return dict(img=self.images[index])


def measure_cifar_step(args, batch: int, ahead_bytes: int) -> List[float]:
    """The whole CIFAR step, images in memory, its views made ahead within this memory."""
    config = Config.fromfile(str(CIFAR))
    config.model.data_preprocessor.ahead_bytes = ahead_bytes
    torch.manual_seed(0)
    model = MODELS.build(config.model).to(args.device).train()
    for part in model.modules():
        if hasattr(part, 'set_class_counts'):
            part.set_class_counts(np.geomspace(500, 5, 100).astype(np.int64))
    optimizer = build_optim_wrapper(model, config.optim_wrapper)
    steps = CIFAR_STEPS[args.device]
    dataset = ResidentDataset(_Noise(steps * batch))
    sampler = ReproducibleSampler(dataset, seed=0)
    loader = DataLoader(dataset, batch, sampler=sampler, collate_fn=resident_collate)

    def epoch() -> None:
        for data in with_views_ahead(iter(loader), loader, model):
            model.train_step(data, optimizer)

    return [value / steps for value in seconds(epoch, args, warm_up=1, each=1)]


def largest_batch(args) -> tuple:
    """The largest batch whose float32 step fits in memory, and its seconds."""
    batch = args.batch
    while True:
        try:
            return batch, measure_step(args, batch)
        except torch.OutOfMemoryError:
            if batch <= 16:
                raise
        free(args)
        batch //= 2


def figure(values: List[float], batch: int) -> str:
    middle, first, third = spread(values)
    return f'{1e3 * middle:.1f} ({1e3 * first:.1f}-{1e3 * third:.1f}), {batch / middle:.0f} img/s'


def verdict(value: float, target: float) -> tuple:
    return f'>= {target:g}', 'met' if value >= target else 'MISSED'


def run(args) -> Iterator[tuple]:
    """Rows of the table, as they are measured."""
    batch, plain = largest_batch(args)
    free(args)
    yield f'step, fp32 eager, batch {batch} x 3 views, ms', figure(plain, batch), '-', '-'
    settings = {}
    words = dict(
        bf16='+ bf16', channels_last='+ channels-last: the default recipe', fused='+ fused SGD'
    )
    for name in words:
        settings[name] = True
        measured = measure_step(args, batch, **settings)
        free(args)
        yield f'step, {words[name]}, ms', figure(measured, batch), '-', '-'
    fast = measure_step(args, batch, compiled=True, **settings)
    free(args)
    name = '(without compile)' if args.no_compile else '+ compile: the fast step'
    yield f'step, {name}, ms', figure(fast, batch), '-', '-'
    speed_up = spread(plain)[0] / spread(fast)[0]
    yield 'fp32 eager / fast step', f'{speed_up:.2f}x', *verdict(speed_up, TARGET)
    cifar = measure_cifar(args, args.batch)
    name = f'CIFAR views on the device, {args.batch} x 3 of 32x32, ms'
    yield name, figure(cifar, args.batch), '-', '-'
    yield from cifar_step(args)


def cifar_step(args) -> Iterator[tuple]:
    """The CIFAR step with views batch by batch, and many batches in one pass."""
    name = f'CIFAR-100-LT step, ResNet-32, {args.batch} x 3 views'
    alone = measure_cifar_step(args, args.batch, 0)
    yield f'{name} batch by batch, ms', figure(alone, args.batch), '-', '-'
    blocks = measure_cifar_step(args, args.batch, AHEAD_BYTES)
    yield f'{name} in blocks, ms', figure(blocks, args.batch), '-', '-'
    gain = spread(alone)[0] / spread(blocks)[0]
    yield 'CIFAR step, batch by batch / in blocks', f'{gain:.2f}x', '-', '-'


def arguments(description: str) -> argparse.ArgumentParser:
    """The command line of a benchmark of the training step."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--device', default='cpu', choices=['cpu', 'cuda'])
    parser.add_argument('--batch', type=int, default=256, help='images, of 3 views each')
    parser.add_argument('--size', type=int, default=224, help='side of the views')
    parser.add_argument('--rounds', type=int, default=4)
    parser.add_argument('--no-compile', action='store_true')
    parser.add_argument('--json', help='also write the figures to this file')
    return parser


def show(title: str, args, rows_of: Callable[..., Iterator[tuple]], each: int = STEPS) -> None:
    """Measure the rows of a benchmark with ``each`` steps a round, and print them."""
    if args.device == 'cuda' and not torch.cuda.is_available():
        sys.exit('--device cuda: no CUDA device is available here; use --device cpu')
    init_default_scope('mmpretrain')
    MMLogger.get_instance('benchmark', log_level='ERROR')
    torch.backends.cudnn.benchmark = True
    print(title, *machine_lines(args.device), sep='\n  ')
    print(f'  {args.rounds} rounds of {each} steps; median (quartiles)\n', flush=True)
    rows = []
    for row in rows_of(args):
        # Compiling takes minutes: what is there already is seen, whatever happens next.
        show_progress(f'{row[0]}: {row[1]}')
        rows.append(row)
    report_rows(rows, args.device, args.json)


if __name__ == '__main__':
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument('--only-cifar', action='store_true', help='the two rows of the CIFAR step')
    options = parser.parse_args()
    if options.only_cifar:
        each = CIFAR_STEPS[options.device]
        show('Training step, ResNet-32, three views of 32x32', options, cifar_step, each)
    else:
        show('Training step, ResNeXt-50, three views of each image', options, run)
