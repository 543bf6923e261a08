"""What it saves a training on the processor when glibc keeps the memory that was freed.

A step of ResNet-8 on three views of 64 images (Digits-LT's batch), in fresh processes with and
without the settings that the workers of tools/study.py and tools/ablate.py get.

Example:
    python tools/benchmarks/memory.py
"""

import os
import subprocess
import sys
from typing import Dict, List, Tuple

from measuring import fresh_processes_main, ratio, ratio_text, spread
from study.workers import KEEP_FREED_MEMORY

STEPS = 20
PROGRAM = f"""
import hashlib, resource, time, torch
from rcl_mm.models import CIFARResNet
torch.set_num_threads(1)
torch.manual_seed(0)
net, views = CIFARResNet(depth=8), torch.randn(192, 3, 32, 32)
def step():
    net.zero_grad()
    net(views)[-1].square().mean().backward()
for _ in range(3):
    step()
faults, start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.process_time()
for _ in range({STEPS}):
    step()
seconds = time.process_time() - start
usage = resource.getrusage(resource.RUSAGE_SELF)
gradients = b''.join(p.grad.numpy().tobytes() for p in net.parameters())
print(seconds, usage.ru_minflt - faults, usage.ru_maxrss / 1024, hashlib.md5(gradients).hexdigest())
"""


def measure(settings: Dict[str, str]) -> Tuple[float, float, float, str]:
    """Of a step: processor ms, page faults; of all: peak memory in MiB, digest of gradients."""
    clean = {k: v for k, v in os.environ.items() if k not in KEEP_FREED_MEMORY}
    result = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', PROGRAM],
        check=True, capture_output=True, text=True, env={**clean, **settings},
    )  # fmt: skip
    seconds, faults, peak, digest = result.stdout.split()[-4:]
    return 1e3 * float(seconds) / STEPS, float(faults) / STEPS, float(peak), digest


def run(rounds: int) -> List[tuple]:
    """Rows of the table."""
    measure({})  # Python's byte code and the disk's cache
    given, kept = [], []
    for _ in range(rounds):
        given.append(measure({}))
        kept.append(measure(KEEP_FREED_MEMORY))
    rows = []
    for title, runs in (('as it is', given), ('keeping freed memory', kept)):
        times, faults, peaks, _ = zip(*runs)
        middle, low, high = spread(times)
        rows += [
            (f'{title}: a step, ms', f'{middle:.0f} ({low:.0f}-{high:.0f})', '-', '-'),
            (f'{title}: page faults of a step', f'{spread(faults)[0]:,.0f}', '-', '-'),
            (f'{title}: peak memory of the process, MiB', f'{spread(peaks)[0]:,.0f}', '-', '-'),
        ]
    gain = ratio_text(ratio([run[0] for run in given], [run[0] for run in kept]))
    same = len({run[-1] for run in given + kept}) == 1
    words = ('the same bits', 'the same', 'met') if same else ('differ', 'the same', 'MISSED')
    return [
        *rows,
        ('as it is / keeping freed memory', gain, '-', '-'),
        ('gradients of the last step', *words),
    ]


if __name__ == '__main__':
    fresh_processes_main(
        'A step on the processor',
        __doc__.splitlines()[0],
        run,
        ' of each, one thread, processor time',
    )
