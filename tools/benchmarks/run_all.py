"""Run all benchmarks of a device and write them to docs/performance/<machine>.md.

Example:
    python tools/benchmarks/run_all.py                                  # make bench
    python tools/benchmarks/run_all.py --only loss.py memory.py         # these sections anew
    python tools/benchmarks/run_all.py --device cuda --save gpu.json    # on a machine with a GPU
    python tools/benchmarks/run_all.py --merge gpu.json                 # where the documents are
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, List

import torch
from measuring import PROGRESS, ROOT, machine_lines, machine_name, table

HERE = Path(__file__).parent
DOCUMENTS = ROOT / 'docs' / 'performance'
BENCHMARKS = {
    'cpu': [
        ('The loss', ['loss.py', '--rounds', '9']),
        ('Contrasting over ranks', ['distributed.py']),
        ('The three-view pipeline', ['pipeline.py']),
        ('A step on the processor', ['memory.py']),
        ('Import', ['imports.py']),
    ],
    'cuda': [
        ('The loss', ['loss.py', '--device', 'cuda']),
        ('The training step', ['step.py', '--device', 'cuda']),
        ('The training step with its loader', ['step_with_loader.py', '--device', 'cuda']),
    ],
}
GPU_TITLE = 'What needs a GPU'
# Section of a GPU's page, row, target.
NEEDS_GPU = [
    ('The loss', 'extra memory of ours, MiB', '<= 64'),
    ('The training step', 'fp32 eager / fast step', '>= 2'),
    ('The training step with its loader', 'fast step on resident data / with loader', '>= 0.85'),
]


def run_one(title: str, command: List[str]) -> dict:
    """Run a benchmark and keep what it prints; its progress is seen while it runs."""
    print(f'{title}: {" ".join(command)}', flush=True)
    start, last = time.perf_counter(), 'no message'
    arguments = [sys.executable, '-W', 'ignore', str(HERE / command[0]), *command[1:]]
    with tempfile.TemporaryFile('w+', encoding='utf-8') as file:
        with subprocess.Popen(
            arguments, stdout=file, stderr=subprocess.PIPE, text=True, cwd=ROOT
        ) as process:
            for line in process.stderr:
                if line.startswith(PROGRESS):
                    sys.stderr.write(line)
                last = line.strip() or last
        file.seek(0)
        output = file.read().strip()
    if process.returncode:
        sys.exit(f'{command[0]} failed: {last}')
    print(f'{output}\n({time.perf_counter() - start:.0f} s)\n', flush=True)
    return dict(title=title, command=' '.join(command), output=output)


def section(part: dict, date: str) -> str:
    """A benchmark's output as Markdown: its facts as a list, its table as it is."""
    lines = [f'- measured {date}']
    for line in part['output'].splitlines()[1:]:
        if line.startswith('|') and lines and lines[-1] and not lines[-1].startswith('|'):
            lines.append('')  # a table in Markdown stands apart
        lines.append(f'- {line.strip()}' if line.startswith('  ') else line)
    body = '\n'.join(lines).strip()
    return f'## {part["title"]}\n\n`python tools/benchmarks/{part["command"]}`\n\n{body}\n'


def read_sections(path: Path) -> Dict[str, str]:
    """The sections of a page, by title; none if there is no page."""
    text = path.read_text(encoding='utf-8') if path.is_file() else ''
    parts = text.split('\n## ')[1:]
    return {part.split('\n', 1)[0]: f'## {part.strip()}\n' for part in parts}


def needs_gpu(missing: List[str], pages: List[Path]) -> str:
    """The rows of sections that are missing on a page: where they are, or "not measured"."""
    rows = []
    for title, what, target in NEEDS_GPU:
        if title in missing:
            there = [p.name for p in pages if f'## {title}\n' in p.read_text(encoding='utf-8')]
            where = f'not here: see {", ".join(there)}' if there else 'not measured'
            rows.append((f'{title}: {what}', where, target))
    if not rows:
        return ''
    return f'## {GPU_TITLE}\n\n{table(("what", "measured", "target"), rows)}\n'


def write(results: dict) -> Path:
    """Write the page of a machine; sections that were not measured now stay as they were."""
    DOCUMENTS.mkdir(parents=True, exist_ok=True)
    path = DOCUMENTS / f'{results["name"]}.md'
    head = f'# Performance: {results["name"].replace("_", " ")}\n\n'
    head += 'Written by `tools/benchmarks/run_all.py`; '
    head += '[performance.md](../performance.md) explains the figures.\n'
    sections = read_sections(path)
    sections.pop(GPU_TITLE, None)
    sections.update((part['title'], section(part, results['date'])) for part in results['parts'])
    order = [title for title, _ in BENCHMARKS[results['device']]]
    titles = sorted(sections, key=lambda t: order.index(t) if t in order else len(order))
    done = titles if results['device'] == 'cuda' else []
    missing = [title for title, _ in BENCHMARKS['cuda'] if title not in done]
    pages = [p for p in sorted(DOCUMENTS.glob('nvidia*.md')) if p != path]
    parts = [head, *[sections[title] for title in titles], needs_gpu(missing, pages)]
    path.write_text('\n'.join(filter(None, parts)), encoding='utf-8')
    return path


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--device', default='cpu', choices=['cpu', 'cuda'])
    parser.add_argument(
        '--only',
        nargs='+',
        metavar='BENCHMARK',
        help='run these, such as loss.py; the other sections of the document stay',
    )
    parser.add_argument(
        '--save',
        help='write the results to this JSON file, benchmark by benchmark, and no document',
    )
    parser.add_argument('--merge', help='write the document of a JSON file; measure nothing')
    return parser.parse_args()


def main():
    args = parse_args()
    if args.merge:
        try:
            results = json.loads(Path(args.merge).read_text(encoding='utf-8'))
            path = write(results)
        except (OSError, ValueError, KeyError, TypeError) as error:
            sys.exit(f'--merge {args.merge}: no results of run_all.py --save ({error})')
        print(f'wrote {path.relative_to(ROOT)}')
        return
    if args.device == 'cuda' and not torch.cuda.is_available():
        sys.exit('--device cuda: no CUDA device is available here; use --device cpu')
    benchmarks = BENCHMARKS[args.device]
    names = [command[0] for _, command in benchmarks]
    unknown = set(args.only or []) - set(names)
    if unknown:
        sys.exit(f'--only {" ".join(sorted(unknown))}: allowed are {" ".join(names)}')
    results = dict(
        name=machine_name(args.device),
        device=args.device,
        date=time.strftime('%Y-%m-%d'),
        machine=machine_lines(args.device),
        parts=[],
    )
    for title, command in [one for one in benchmarks if one[1][0] in (args.only or names)]:
        results['parts'].append(run_one(title, command))
        if args.save:
            # A machine that is lent for an hour may be gone before the last one is done.
            Path(args.save).write_text(json.dumps(results, indent=1), encoding='utf-8')
    if args.save:
        print(f'wrote {args.save}')
    else:
        print(f'wrote {write(results).relative_to(ROOT)}')


if __name__ == '__main__':
    main()
