"""The three-view ImageNet pipeline, one core: images a second against torchvision and PIL.

From JPEG files of 500x375 to a collated batch. The reference is what BCL's public script runs: PIL
decoding, torchvision's transforms, timm's RandAugment, ToTensor and Normalize for each of three
views, and torch's default collate function. Ours are the pipelines of the configs: the default,
whose views are the device's work, and ``_reference``. Time is the processor time of one thread, so
that other processes count little.

Example:
    python tools/benchmarks/pipeline.py
"""

import argparse
import random
import tempfile
import time
from functools import partial
from typing import Any, Callable, Dict, List

import cv2
import numpy as np
import torch
import torchvision.transforms as T
from measuring import ROOT, machine_lines, ratio, ratio_text, report_rows, spread
from mmengine.config import Config
from mmengine.dataset import default_collate as mm_collate
from mmpretrain.datasets.transforms import PackInputs
from photos import real_photos, write_files
from PIL import Image
from timm.data.auto_augment import rand_augment_transform
from torch.utils.data import default_collate

from rcl_mm.augment.draws import DrawIndex, sample_draws
from rcl_mm.datasets import (
    DigitsLT,
    LoadCheckedImage,
    ReproducibleSampler,
    ResidentDataset,
    fast_collate,
    resident_collate,
)
from rcl_mm.datasets.transforms import build_pipeline

TARGET, TARGET_RESIDENT = 8.0, 20000
RECIPE = ROOT / 'configs/rcl/resnext50_imagenet_lt'
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def published_views() -> List[Callable]:
    """BCL's transforms for ImageNet-LT with views "sim-sim"."""
    crop = [T.RandomResizedCrop(224, scale=(0.08, 1.0)), T.RandomHorizontalFlip()]
    end = [T.ToTensor(), T.Normalize(MEAN, STD)]
    color = T.ColorJitter(0.4, 0.4, 0.4, 0.1)
    augment = dict(translate_const=int(224 * 0.45), img_mean=(124, 116, 104))
    strong = [
        T.RandomApply([T.ColorJitter(0.4, 0.4, 0.4, 0.0)], p=1.0),
        rand_augment_transform('rand-n2-m10-mstd0.5', augment),
    ]
    weak = [T.RandomApply([color], p=0.8), T.RandomGrayscale(p=0.2)]
    randcls, sim = T.Compose(crop + strong + end), T.Compose(crop + weak + end)
    return [randcls, sim, sim]


class Pipelines:
    """The pipelines over the same files, each from a file's path to what is collated."""

    def __init__(self, paths: List[str]) -> None:
        self.paths = paths
        self.published = published_views()
        # What tools/train.py puts in the place of LoadImageFromFile.
        self.load = LoadCheckedImage()
        self.default_steps, self.reference_steps = (
            build_pipeline(
                Config.fromfile(f'{RECIPE}{end}.py').train_dataloader.dataset.pipeline[1:]
            )
            for end in ('', '_reference')
        )
        # As the sampler makes them, once an epoch.
        self.draws = sample_draws(0, 0, np.arange(10007)).tolist()
        self.count = 0

    def _results(self) -> dict:
        self.count += 1
        index = self.count % len(self.paths)
        draw = self.draws[self.count % len(self.draws)]
        return dict(img_path=self.paths[index], gt_label=0, sample_idx=DrawIndex(index, draw))

    def decode_pillow(self) -> torch.Tensor:
        with Image.open(self._results()['img_path']) as image:
            return torch.from_numpy(np.array(image.convert('RGB')))

    def torchvision(self) -> List[torch.Tensor]:
        with Image.open(self._results()['img_path']) as image:
            image = image.convert('RGB')
        return [view(image) for view in self.published]

    def decode(self) -> torch.Tensor:
        return torch.from_numpy(self.load(self._results())['img'])

    def default(self) -> dict:
        return self.default_steps(self.load(self._results()))

    def reference(self) -> dict:
        return self.reference_steps(self.load(self._results()))

    def functions(self, batch: int) -> Dict[str, Callable]:
        """One batch by each pipeline."""
        return {
            name: partial(self._batch, getattr(self, name), COLLATE[name], batch)
            for name in ('torchvision', 'default', 'reference', 'decode', 'decode_pillow')
        }

    @staticmethod
    def _batch(sample: Callable, collate: Callable, batch: int) -> Any:
        return collate([sample() for _ in range(batch)])


COLLATE = {
    'torchvision': default_collate,
    'default': fast_collate,
    'reference': mm_collate,
    'decode': default_collate,
    'decode_pillow': default_collate,
}


def processor_seconds(functions: Dict[str, Callable], rounds: int) -> Dict[str, List[float]]:
    """Processor seconds of each function, all of them in every round."""
    times: Dict[str, List[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
    for number in range(rounds):
        for name, function in functions.items():
            # The same draws for the pipelines that use global generators, in every run.
            random.seed(number)
            np.random.seed(number)
            torch.manual_seed(number)
            start = time.process_time()
            function()
            times[name].append(time.process_time() - start)
    return times


class Samples(torch.utils.data.Dataset):
    """A pipeline as a data set."""

    def __init__(self, pipelines: Pipelines, name: str, length: int) -> None:
        self.pipelines, self.name, self.length = pipelines, name, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int):
        self.pipelines.count = index
        return getattr(self.pipelines, self.name)()


def worker_speed(pipelines: Pipelines, name: str, batch: int, batches: int) -> float:
    """Seconds a batch from one worker process, by the clock: its shared memory included."""
    loader = torch.utils.data.DataLoader(
        Samples(pipelines, name, batch * (batches + 1)),
        batch,
        num_workers=1,
        prefetch_factor=1,
        collate_fn=COLLATE[name],
    )
    iterator = iter(loader)
    next(iterator)
    start = time.perf_counter()
    for _ in iterator:
        pass
    return (time.perf_counter() - start) / batches


def resident_speed(rounds: int) -> List[float]:
    """Images a second of the loader of images in memory, per round."""
    dataset = ResidentDataset(DigitsLT(split='trainval', pipeline=[PackInputs()]))
    loader = torch.utils.data.DataLoader(
        dataset, 256, sampler=ReproducibleSampler(dataset, seed=0), collate_fn=resident_collate
    )
    speeds = []
    for _ in range(rounds):
        start = time.process_time()
        images = sum(len(batch['inputs']) for batch in loader)
        speeds.append(images / (time.process_time() - start))
    return speeds


def speed(values: List[float], batch: int) -> str:
    """Images a second, with quartiles."""
    middle, low, high = spread([batch / value for value in values])
    return f'{middle:.0f} ({low:.0f}-{high:.0f})'


def run(args) -> List[tuple]:
    """Rows of the table."""
    with tempfile.TemporaryDirectory() as folder:
        files = real_photos()
        paths = write_files(files, folder)
        pipelines = Pipelines(paths)
        times = processor_seconds(pipelines.functions(args.batch), args.rounds)
        workers: Dict[str, List[float]] = {'torchvision': [], 'default': []}
        for _ in range(3):
            for name, batches in (('torchvision', 5), ('default', 25)):
                workers[name].append(worker_speed(pipelines, name, args.batch, batches))
    size = sum(map(len, files)) / len(files) / 1000
    rows = [(f'files: 500x375, {size:.0f} KB on average', '', '-', '-')]
    for name, words in (
        ('decode_pillow', 'PIL: decode only'),
        ('torchvision', 'torchvision and PIL, BCL transforms'),
        ('decode', 'ours: decode only'),
        ('default', 'ours: the default recipe, views on the device'),
        ('reference', 'ours: _reference, views by Pillow'),
    ):
        rows.append((f'{words}, images/s', speed(times[name], args.batch), '-', '-'))
    values = ratio(times['torchvision'], times['default'])
    met = 'met' if values[0] >= TARGET else 'MISSED'
    rows.append(('default recipe / torchvision', ratio_text(values), f'>= {TARGET:g}', met))
    text = ratio_text(ratio(workers['torchvision'], workers['default']))
    rows.append(('the same in a worker process, by the clock', text, '-', '-'))
    text = ratio_text(ratio(times['torchvision'], times['reference']))
    rows.append(('_reference / torchvision', text, '-', '-'))
    values = spread(resident_speed(args.rounds))
    met = 'met' if values[0] >= TARGET_RESIDENT else 'MISSED'
    text = f'{values[0]:.0f} ({values[1]:.0f}-{values[2]:.0f})'
    rows.append(('ResidentDataset, 32x32, batch 256, images/s', text, f'>= {TARGET_RESIDENT}', met))
    return rows


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--batch', type=int, default=32)
    parser.add_argument('--rounds', type=int, default=15)
    parser.add_argument('--json', help='also write the figures to this file')
    return parser.parse_args()


def main():
    args = parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    print('Three-view pipeline, one core', *machine_lines(), sep='\n  ')
    print(f'  batch {args.batch}, {args.rounds} rounds; median (quartiles)\n', flush=True)
    report_rows(run(args), 'cpu', args.json)


if __name__ == '__main__':
    main()
