"""What contrasting over all ranks costs: measured over gloo processes, and counted for many GPUs.

Example:
    python tools/benchmarks/distributed.py
    python tools/benchmarks/distributed.py --world-sizes 1 2 4 --batch 256 --classes 1000
    python tools/benchmarks/distributed.py --model-only
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
from typing import Dict, List, Tuple

from gather_cost import MIB, VIEWS, gather_bytes, print_model
from measuring import machine_lines, milliseconds, ratio, ratio_text, table, time_interleaved


class Rank:
    """One process's share of a global batch."""

    def __init__(self, rank: int, ranks: int, args) -> None:
        import torch
        import torch.nn.functional as F

        generator = torch.Generator().manual_seed(rank)
        rows = VIEWS * args.batch // ranks
        self.embeddings = F.normalize(
            torch.randn(rows, args.dimension, generator=generator), dim=1
        ).requires_grad_()
        self.prototypes = F.normalize(
            torch.randn(args.classes, args.dimension, generator=generator), dim=1
        ).requires_grad_()
        self.labels = torch.randint(args.classes, (rows,), generator=generator)
        self.counts = torch.arange(1, args.classes + 1)

    def loss(self, gather: bool):
        import torch

        from rcl_mm.functional import rebalanced_contrastive_loss

        loss = rebalanced_contrastive_loss(
            self.embeddings, self.labels, self.prototypes, self.counts, gather=gather
        )
        torch.autograd.grad(loss, (self.embeddings, self.prototypes))

    def build_step(self, args, gather: bool):
        """A training step under DDP: ResNet-8 on 32x32 images and an RCLHead of these sizes."""
        import torch
        from mmengine.registry import MODELS
        from mmpretrain.structures import DataSample
        from torch.nn.parallel import DistributedDataParallel

        import rcl_mm  # noqa: F401

        counts = self.counts.tolist()
        head = dict(
            type='RCLHead',
            num_classes=args.classes,
            in_channels=64,
            embedding_dim=args.dimension,
            loss=dict(type='RCLLoss', class_counts=counts, gather=gather),
        )
        model = dict(
            type='mmpretrain.ImageClassifier',
            backbone=dict(type='CIFARResNet', depth=8),
            neck=dict(type='mmpretrain.GlobalAveragePooling'),
            head=head,
        )
        model = MODELS.build(model)
        wrapped = DistributedDataParallel(model)
        images = torch.randn(len(self.labels), 3, 32, 32)
        labels = self.labels[: len(self.labels) // VIEWS]
        samples = [DataSample().set_gt_label(label) for label in labels]

        def step():
            losses = wrapped(images, samples, mode='loss')
            model.zero_grad()
            (losses['loss_cls'] + losses['loss_con']).backward()

        return step

    def bytes_of_a_gather(self) -> int:
        """Bytes over the loopback device in one gather and its backward pass, all ranks.

        The least of several: others may use the device too.
        """
        import torch.distributed as dist

        counts = []
        for _ in range(8):
            dist.barrier()
            before = loopback_bytes()
            dist.barrier()
            self.gather()
            dist.barrier()
            counts.append(loopback_bytes() - before)
        return min(counts)

    def gather(self):
        import torch

        from rcl_mm.ops.gather import gather_embeddings

        keys, _, _, _ = gather_embeddings(self.embeddings, self.labels)
        torch.autograd.grad(keys, self.embeddings, keys)


def loopback_bytes() -> int:
    """Bytes that came through the loopback device so far (Linux)."""
    with open('/proc/net/dev', encoding='utf-8') as file:
        line = next(line for line in file if line.strip().startswith('lo:'))
    return int(line.split(':')[1].split()[0])


def measure_rank(rank: int, ranks: int, store: str, args, connection) -> None:
    """Times of one rank's functions; rank 0's are reported."""
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group('gloo', init_method=f'file://{store}', rank=rank, world_size=ranks)
    share = Rank(rank, ranks, args)
    # The same order on all ranks in every round: it is drawn from a fixed seed.
    times = time_interleaved(
        {
            'over all ranks': lambda: share.loss(True),
            'own batch only': lambda: share.loss(False),
            'gather alone': share.gather,
        },
        args.rounds,
    )
    # In interleaved rounds of their own: their backward passes are DDP's, bucket by bucket.
    steps = {
        'step over all ranks': share.build_step(args, gather=True),
        'step, own batch only': share.build_step(args, gather=False),
    }
    times.update(time_interleaved(steps, args.rounds))
    moved = share.bytes_of_a_gather()
    if rank == 0:
        connection.send((times, moved))
    dist.barrier()
    dist.destroy_process_group()


def measure(ranks: int, args) -> Tuple[Dict[str, List[float]], int]:
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['rcl_mm'])
    here, there = context.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        store = os.path.join(folder, 'store')
        processes = [
            context.Process(target=measure_rank, args=(rank, ranks, store, args, there))
            for rank in range(ranks)
        ]
        for process in processes:
            process.start()
        while not here.poll(1):
            if any(process.exitcode for process in processes):
                for process in processes:
                    process.kill()
                sys.exit(f'a process of {ranks} failed, see above')
        answer = here.recv()
        for process in processes:
            process.join()
    return answer


def print_measured(args) -> None:
    rows = []
    for ranks in args.world_sizes:
        times, moved = measure(ranks, args)
        counted = sum(gather_bytes(ranks, VIEWS * args.batch, args.dimension).values())
        row = [ranks, VIEWS * args.batch // ranks]
        for everywhere, alone in (
            ('over all ranks', 'own batch only'),
            ('step over all ranks', 'step, own batch only'),
        ):
            row.append(milliseconds(times[everywhere]))
            row.append(ratio_text(ratio(times[everywhere], times[alone])))
        row.append(milliseconds(times['gather alone']))
        row.append(f'{counted / MIB:.1f}')
        row.append(f'{moved / ranks / MIB:.1f}')
        rows.append(row)
    print(
        f'Measured over gloo processes of one thread: global batch {args.batch}, {VIEWS} views, '
        f'D={args.dimension}, C={args.classes}, {args.rounds} rounds, median (quartiles) in ms;\n'
        'x: over all ranks / own batch only (gather=False). The step is ResNet-8 at 32x32 under '
        'DDP. gloo sends\nmore than was counted: its reduce-scatter is a whole all-reduce.\n'
    )
    header = (
        'processes',
        'anchors each',
        'loss',
        'x',
        'training step',
        'x',
        'gather alone',
        'counted, MiB per rank',
        'over loopback, MiB per rank',
    )
    print(table(header, rows))


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--world-sizes', type=int, nargs='+', default=[1, 2, 4])
    parser.add_argument('--batch', type=int, default=256, help='images of all ranks together')
    parser.add_argument('--dimension', type=int, default=1024)
    parser.add_argument('--classes', type=int, default=1000)
    parser.add_argument('--rounds', type=int, default=10)
    parser.add_argument('--model-only', action='store_true', help='count, measure nothing')
    return parser.parse_args()


def main():
    args = parse_args()
    odd = [ranks for ranks in args.world_sizes if ranks < 1 or args.batch % ranks]
    if odd:
        sys.exit(f'--batch {args.batch} does not divide by --world-sizes {odd}: give a multiple')
    print('Contrasting over ranks', *machine_lines(), sep='\n  ')
    if not args.model_only:
        print_measured(args)
    print_model(args.dimension, args.classes)


if __name__ == '__main__':
    main()
