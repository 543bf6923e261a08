"""What every benchmark shares: the machine in words, interleaved timing, ratios, memory, tables."""

import argparse
import gc
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import torch

ROOT = Path(__file__).resolve().parents[2]
PROGRESS = '-> '
# The benchmarks run from any place, without the package installed.
sys.path[:0] = [folder for folder in (str(ROOT), str(ROOT / 'tools')) if folder not in sys.path]

from study.markdown_table import markdown_table  # noqa: E402


def machine_lines(device: str = 'cpu') -> List[str]:
    """The machine and the versions, one fact a line."""
    processor = platform.processor() or platform.machine()
    if os.path.exists('/proc/cpuinfo'):
        with open('/proc/cpuinfo', encoding='utf-8') as file:
            names = [
                line.split(':', 1)[1].strip() for line in file if line.startswith('model name')
            ]
        processor = names[0] if names else processor
    lines = [
        f'processor: {processor}, {os.cpu_count()} cores, {torch.get_num_threads()} threads used, '
        f'load {os.getloadavg()[0]:.1f}',
        f'software: Python {platform.python_version()}, torch {torch.__version__}, '
        f'{platform.system()} {platform.machine()}',
    ]
    if torch.device(device).type == 'cuda':
        properties = torch.cuda.get_device_properties(device)
        lines.append(
            f'accelerator: {properties.name}, {properties.total_memory / 2**30:.0f} GiB, '
            f'CUDA {torch.version.cuda}'
        )
    return lines


def machine_name(device: str = 'cpu') -> str:
    """A short name for a results file: the accelerator's, else the processor's and its cores."""
    if torch.device(device).type == 'cuda':
        words = torch.cuda.get_device_name(device)
    else:
        words = machine_lines()[0].split(':', 1)[1].split(',')[0] + f' {os.cpu_count()} cores'
    return '_'.join(''.join(c if c.isalnum() else ' ' for c in words).lower().split())


def synchronize(device: str) -> None:
    if torch.device(device).type == 'cuda':
        torch.cuda.synchronize(device)


def time_interleaved(
    functions: Dict[str, Callable], rounds: int, device: str = 'cpu', warm_up: int = 2
) -> Dict[str, List[float]]:
    """Seconds of each function, one figure a round, all functions in every round.

    Noise of a shared machine then falls on all of them alike, in a new random order each round.
    """
    order, shuffler = list(functions), random.Random(0)
    times: Dict[str, List[float]] = {name: [] for name in functions}
    for name in order * warm_up:
        functions[name]()
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            shuffler.shuffle(order)
            for name in order:
                synchronize(device)
                start = time.perf_counter()
                functions[name]()
                synchronize(device)
                times[name].append(time.perf_counter() - start)
    finally:
        gc.enable()
    return times


def spread(values: Sequence[float]) -> Tuple[float, float, float]:
    """Median, first and third quartile."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    first, middle, third = statistics.quantiles(values, n=4, method='inclusive')
    return middle, first, third


def milliseconds(values: Sequence[float]) -> str:
    middle, first, third = (1e3 * value for value in spread(values))
    return f'{middle:.2f} ({first:.2f}-{third:.2f})'


def ratio(slower: Sequence[float], faster: Sequence[float]) -> Tuple[float, float, float]:
    """Median and quartiles of the ratios round by round."""
    return spread([a / b for a, b in zip(slower, faster)])


def ratio_text(values: Tuple[float, float, float]) -> str:
    return f'{values[0]:.2f}x ({values[1]:.2f}-{values[2]:.2f})'


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns."""
    return markdown_table(header, rows, text_columns=len(header))


def show_progress(text: str) -> None:
    """A line that ``run_all.py`` passes on while a benchmark runs."""
    print(f'{PROGRESS}{text}', file=sys.stderr, flush=True)


def report_rows(rows: Sequence[Sequence[str]], device: str, path: Optional[str]) -> None:
    """Print a benchmark's rows; write them with the machine to a JSON file if there is a path."""
    print(table(('what', 'measured', 'target', ''), rows))
    if path:
        document = dict(name=machine_name(device), machine=machine_lines(device), rows=rows)
        with open(path, 'w', encoding='utf-8') as file:
            json.dump(document, file)


def fresh_processes_main(
    title: str, description: str, rows_of: Callable[[int], Sequence[tuple]], words: str = ''
) -> None:
    """The tool of a benchmark whose every figure is from a fresh process.

    Args:
        title (str): Heading of the output.
        description (str): For ``--help``.
        rows_of (Callable): Gives the rows of the table for a number of rounds.
        words (str): What else there is to say of the processes. Defaults to ''.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--json', help='also write the figures to this file')
    args = parser.parse_args()
    print(title, *machine_lines(), sep='\n  ')
    print(f'  {args.rounds} fresh processes{words}; median (quartiles)\n', flush=True)
    report_rows(rows_of(args.rounds), 'cpu', args.json)


def peak_memory(function: Callable, device: str = 'cpu') -> Tuple[int, int, object]:
    """Bytes allocated at the peak of a call, bytes still allocated after it, and its result.

    Both count from the state before the call. On a GPU PyTorch's allocator keeps count; on the
    CPU every allocation and release is read from a profiler trace.
    """
    if torch.device(device).type == 'cuda':
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        result = function()
        torch.cuda.synchronize(device)
        peak = torch.cuda.max_memory_allocated(device) - before
        return peak, torch.cuda.memory_allocated(device) - before, result
    cpu = torch.profiler.ProfilerActivity.CPU
    with torch.profiler.profile(activities=[cpu], profile_memory=True) as profile:
        result = function()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'trace.json')
        profile.export_chrome_trace(path)
        with open(path, encoding='utf-8') as file:
            events = json.load(file)['traceEvents']
    changes = [event for event in events if event.get('name') == '[memory]']
    changes.sort(key=lambda event: event['ts'])
    live = peak = 0
    for event in changes:
        live += event['args']['Bytes']
        peak = max(peak, live)
    return peak, live, result
