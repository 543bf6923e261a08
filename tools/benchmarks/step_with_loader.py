"""The training step with its loader: ResNeXt-50 on ImageNet-LT, fast settings.

The settings are the default recipe's, fused SGD and torch.compile.

The loader decodes JPEG files, the device cuts and augments three views of each; against the same
step on views that lie on the device already. Both also with the loss read by the host after every
step, as MMEngine's RuntimeInfoHook does in a run: the host then cannot work ahead.

Example:
    python tools/benchmarks/step_with_loader.py --device cuda
    python tools/benchmarks/step_with_loader.py --batch 2 --size 64 --rounds 1 --no-compile
"""

import math
import tempfile
from functools import partial
from typing import Callable, Iterator, List

import torch
from measuring import spread
from mmengine.config import Config
from photos import synthetic_photos, write_files
from step import CLASSES, RECIPE, Trainer, arguments, figure, seconds, show, verdict
from torch.utils.data import DataLoader, Dataset

from rcl_mm.datasets import ReproducibleSampler, fast_collate
from rcl_mm.datasets.transforms import build_pipeline

TARGET = 0.85
# Each round starts with a device that has nothing to do: several steps a round.
WARM_UP, STEPS = 3, 5
# Batches in stock for each worker, torch's default.
PREFETCH = 2
READ = 'the loss read after every step, as MMEngine does'


class Files(Dataset):
    """JPEG files through a config's training pipeline, ``length`` samples in all."""

    def __init__(self, paths: List[str], pipeline: list, length: int) -> None:
        self.paths, self.length = paths, length
        self.pipeline = build_pipeline(pipeline)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict:
        path = self.paths[index % len(self.paths)]
        return self.pipeline(dict(img_path=path, gt_label=index % CLASSES, sample_idx=index))


def make_loader(args, config: dict, folder: str, steps: int) -> DataLoader:
    """The loader of a config, for a number of steps."""
    pipeline = list(config.dataset.pipeline)
    pipeline[1] = dict(pipeline[1], size=args.size)
    dataset = Files(write_files(synthetic_photos(64), folder), pipeline, args.batch * steps)
    return DataLoader(
        dataset,
        args.batch,
        sampler=ReproducibleSampler(dataset, seed=0),
        num_workers=args.workers,
        prefetch_factor=PREFETCH if args.workers else None,
        pin_memory=args.device == 'cuda',
        collate_fn=fast_collate,
    )


def measure(args) -> Iterator[tuple]:
    """What is measured and its seconds, all with one and the same model."""
    trainer = Trainer(args, bf16=True, channels_last=True, fused=True, compiled=True)
    preprocess = trainer.model.data_preprocessor
    config = Config.fromfile(str(RECIPE)).train_dataloader
    data = trainer.resident(args.batch, args.size)

    def prepare(batch: dict) -> dict:
        with trainer.optimizer.optim_context(trainer.model):
            return preprocess(batch, training=True)

    def on_resident() -> torch.Tensor:
        return trainer.step(data)

    def from_loader() -> torch.Tensor:
        return trainer.step(prepare(next(batches)))

    def read(step: Callable) -> None:
        if not math.isfinite(float(step())):
            raise RuntimeError('the loss is not finite')

    # The loader starts with nothing loaded: a slow one has no batches in stock after the warm-up,
    # and is still at work after the last step.
    ahead = max(WARM_UP, args.workers * PREFETCH)
    steps = 2 * ahead + WARM_UP + 2 * STEPS * args.rounds
    with tempfile.TemporaryDirectory() as folder:
        loader = make_loader(args, config, folder, steps)
        on_device = preprocess.cast_data(next(iter(loader)))
        yield 'views', seconds(partial(prepare, on_device), args, WARM_UP, STEPS)
        yield 'resident', seconds(on_resident, args, WARM_UP, STEPS)
        yield 'resident, read', seconds(partial(read, on_resident), args, WARM_UP, STEPS)
        batches = iter(loader)
        yield 'loader', seconds(from_loader, args, ahead, STEPS)
        yield 'loader, read', seconds(partial(read, from_loader), args, WARM_UP, STEPS)
        # Fails if the host waits for the device on the way from the pinned batch to the views.
        pinned = next(batches)
        if args.device == 'cuda':
            torch.cuda.set_sync_debug_mode('error')
        prepare(pinned)
        if args.device == 'cuda':
            torch.cuda.set_sync_debug_mode('default')
        # The workers stop before their files go.
        batches = None


def run(args) -> Iterator[tuple]:
    """Rows of the table, as they are measured."""
    names = dict(
        views=f'crops and augmentation on the device, batch {args.batch}',
        resident=f'fast step on resident data, batch {args.batch}',
        loader=f'fast step with loader, batch {args.batch}, {args.workers} workers',
    )
    measured = {}
    for key, times in measure(args):
        measured[key] = times
        more = f'; {READ}' if key.endswith('read') else ''
        name = names[key.split(',')[0]]
        yield f'{name}{more}, ms', figure(times, args.batch), '-', '-'
        if key.startswith('loader'):
            share = spread(measured[key.replace('loader', 'resident')])[0] / spread(times)[0]
            judged = ('-', '-') if more else verdict(share, TARGET)
            yield f'fast step on resident data / with loader{more}', f'{share:.2f}', *judged


if __name__ == '__main__':
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument('--workers', type=int, default=8, help='of the loader')
    title = 'Training step with its loader, ResNeXt-50, three views of each image'
    show(title, parser.parse_args(), run, STEPS)
