"""Time and memory of the loss, forward and backward, against its floor and BCL's published loss.

The floor is what no exact implementation can leave out: the product of anchors and keys, one
logsumexp, one softmax, and the two products of the backward pass. On a machine with other load the
threads of short operations wait for each other: the best rounds tell what the loss itself takes.

Example:
    python tools/benchmarks/loss.py                  # two CPU threads
    python tools/benchmarks/loss.py --device cuda
"""

import argparse
import json
import sys

import torch
import torch.nn.functional as F
from measuring import (
    machine_lines,
    milliseconds,
    peak_memory,
    ratio,
    ratio_text,
    table,
    time_interleaved,
)
from published_bcl import PublishedBCLLoss

from rcl_mm.functional import rebalanced_contrastive_loss

TEMPERATURE = 0.1
TARGET_FLOOR = {'cpu': 1.3}
TARGET_MEBIBYTES = 64
MEMORY_SHAPE = dict(anchors=8192, dimension=128, classes=8142)


class Case:
    """One batch, and the ways to compute its loss with all gradients."""

    def __init__(self, anchors: int, dimension: int, classes: int, device: str):
        generator = torch.Generator().manual_seed(0)

        def unit(rows):
            return F.normalize(torch.randn(rows, dimension, generator=generator), dim=1).to(device)

        # Long-tailed: class c is drawn with a frequency that falls from 256 to 1.
        self.counts = (1280 * 256.0 ** (-torch.arange(classes) / max(classes - 1, 1))).long() + 1
        draws = torch.multinomial(self.counts.double(), anchors // 2, True, generator=generator)
        self.labels, self.counts = draws.repeat(2).to(device), self.counts.to(device)
        self.embeddings = unit(anchors).requires_grad_()
        self.prototypes = unit(classes).requires_grad_()
        self.keys = torch.cat([self.embeddings, self.prototypes]).detach()
        self.leaves = (self.embeddings, self.prototypes)
        self.gradient_bytes = 4 * (anchors + classes) * dimension
        self.published = {
            place: PublishedBCLLoss(classes, TEMPERATURE, place) for place in ('same', 'cpu')
        }

    def floor(self):
        anchors = self.embeddings.detach()
        similarity = anchors @ self.keys.T
        similarity.logsumexp(dim=1)
        weights = similarity.softmax(dim=1)
        return weights @ self.keys, weights.T @ anchors

    def ours_forward(self, **options):
        return rebalanced_contrastive_loss(
            self.embeddings, self.labels, self.prototypes, self.counts, **options
        )

    def ours(self, **options):
        return torch.autograd.grad(self.ours_forward(**options), self.leaves)

    def bcl_forward(self, place='same'):
        views = torch.stack(self.embeddings.chunk(2), dim=1)
        return self.published[place](self.prototypes, views, self.labels[: len(views)])

    def bcl(self, place='same'):
        return torch.autograd.grad(self.bcl_forward(place), self.leaves)

    def check(self):
        """Ours without a prior is the published loss, value and gradients: nothing is left out."""
        ours, published = self.ours_forward(prior_power=0), self.bcl_forward()
        torch.testing.assert_close(ours, published, rtol=1e-4, atol=1e-4)
        for a, b in zip(self.ours(prior_power=0), self.bcl()):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4 * float(b.abs().max()))

    def extra_mebibytes(self, forward, device) -> float:
        """Peak memory beside inputs and gradients."""
        torch.autograd.grad(forward(), self.leaves)  # lazily made library workspaces
        peak, live, loss = peak_memory(forward, device)
        backward, _, _ = peak_memory(lambda: torch.autograd.grad(loss, self.leaves), device)
        return max(peak, live + backward - self.gradient_bytes) / 2**20


def measure(case: Case, args, classes: int) -> dict:
    case.check()
    functions = {'floor': case.floor, 'ours': case.ours, 'bcl': case.bcl}
    if args.device == 'cuda':
        functions['bcl_cpu_labels'] = lambda: case.bcl('cpu')
    times = time_interleaved(functions, args.rounds, args.device)
    memory = {
        'ours': case.extra_mebibytes(case.ours_forward, args.device),
        'bcl': case.extra_mebibytes(case.bcl_forward, args.device),
    }
    return dict(
        classes=classes,
        milliseconds={name: milliseconds(values) for name, values in times.items()},
        over_floor=ratio(times['ours'], times['floor']),
        over_floor_best=min(times['ours']) / min(times['floor']),
        bcl_over_ours={
            name: ratio(times[name], times['ours']) for name in times if name.startswith('bcl')
        },
        mebibytes=memory,
    )


def rows_of(result: dict, device: str):
    """Lines of the table: what, figure, target, and whether it is met."""
    name, times = f'C={result["classes"]}', result['milliseconds']

    def over_floor(words, text, figure):
        target = TARGET_FLOOR.get(device)
        if target is None:
            return f'{name}: {words}', text, '-', '-'
        met = 'met' if figure <= target else 'MISSED'
        return f'{name}: {words}', text, f'<= {target:g}', met

    for key, words in (
        ('floor', 'floor'),
        ('ours', 'ours'),
        ('bcl', 'BCL as published'),
        ('bcl_cpu_labels', 'BCL, labels counted on the CPU'),
    ):
        if key in times:
            yield f'{name}: {words}, ms', times[key], '-', '-'
    over, best = result['over_floor'], result['over_floor_best']
    yield over_floor('ours / floor', ratio_text(over), over[0])
    yield over_floor('ours / floor, best rounds', f'{best:.2f}x', best)
    for key, values in result['bcl_over_ours'].items():
        words = 'BCL / ours' if key == 'bcl' else 'BCL, labels on the CPU / ours'
        yield f'{name}: {words}', ratio_text(values), '-', '-'
    ours, bcl = result['mebibytes']['ours'], result['mebibytes']['bcl']
    yield memory_row(f'{name}: extra memory of ours, MiB', ours)
    yield f'{name}: extra memory of BCL, MiB', f'{bcl:.1f}', '-', '-'


def memory_row(what: str, mebibytes: float):
    met = 'met' if mebibytes <= TARGET_MEBIBYTES else 'MISSED'
    return what, f'{mebibytes:.1f}', f'<= {TARGET_MEBIBYTES}', met


def large_batch_row(device: str):
    """Memory where the similarities alone take eight times the target."""
    anchors, classes = MEMORY_SHAPE['anchors'], MEMORY_SHAPE['classes']
    case = Case(device=device, **MEMORY_SHAPE)
    what = f'{anchors} anchors x {anchors + classes} keys: extra memory of ours, MiB'
    return memory_row(what, case.extra_mebibytes(case.ours_forward, device))


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--device', default='cpu', choices=['cpu', 'cuda'])
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument('--anchors', type=int, default=512)
    parser.add_argument('--dimension', type=int, default=1024)
    parser.add_argument('--classes', type=int, nargs='+', default=[1000, 8142])
    parser.add_argument('--rounds', type=int, default=15)
    parser.add_argument('--json', help='also write the figures to this file')
    return parser.parse_args()


def main():
    args = parse_args()
    if args.device == 'cuda' and not torch.cuda.is_available():
        sys.exit('--device cuda: no CUDA device is available here; use --device cpu')
    torch.set_num_threads(args.threads)
    print('Loss, forward and backward', *machine_lines(args.device), sep='\n  ')
    print(
        f'  {args.anchors} anchors, D={args.dimension}, float32, {args.rounds} interleaved rounds; '
        'median (quartiles)\n'
    )
    results = []
    for classes in args.classes:
        case = Case(args.anchors, args.dimension, classes, args.device)
        results.append(measure(case, args, classes))
    header = ('what', 'measured', 'target', '')
    rows = [row for result in results for row in rows_of(result, args.device)]
    print(table(header, [*rows, large_batch_row(args.device)]))
    if args.json:
        with open(args.json, 'w', encoding='utf-8') as file:
            json.dump(dict(machine=machine_lines(args.device), results=results), file, indent=2)


if __name__ == '__main__':
    main()
