"""Train RCL and cross-entropy on real digits with a long tail, test both, print one table.

Everything goes through tools/train.py and tools/test.py, as a user would: same backbone, epochs,
views and random numbers; the configs differ in the head and its loss.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
METHODS = {
    'rcl': ('RCL', 'configs/rcl/resnet8_digits_lt.py'),
    'cross_entropy': ('Cross-entropy', 'configs/cross_entropy/resnet8_digits_lt.py'),
}
COLUMNS = {
    'top1': 'top-1',
    'many': 'many',
    'medium': 'medium',
    'few': 'few',
    'worst': 'worst class',
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/demo'))
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], help='for tools/train.py, such as a shorter run'
    )
    args = parser.parse_args()
    console = Console()
    summary, runs = {}, {}
    for name, (title, config) in METHODS.items():
        work_dir = args.work_dir / name
        shutil.rmtree(work_dir, ignore_errors=True)
        console.rule(f'{title}: training ({config})')
        options = ['--cfg-options', *args.cfg_options] if args.cfg_options else []
        run_tool('train.py', ROOT / config, '--work-dir', work_dir, *options)
        checkpoint = Path((work_dir / 'last_checkpoint').read_text().strip())
        console.rule(f'{title}: testing {checkpoint.name}')
        metrics = work_dir / 'test_metrics.json'
        run_tool(
            'test.py', ROOT / config, checkpoint, '--work-dir', work_dir, '--out', metrics,
            '--out-item', 'metrics',
        )  # fmt: skip
        summary[name] = {
            key.removeprefix('long_tail/'): value
            for key, value in json.loads(metrics.read_text()).items()
            if key.startswith('long_tail/')
        }
        runs[name] = (work_dir, checkpoint)
    report = args.work_dir / 'report'
    console.rule('Report')
    run_tool('report.py', *(work_dir for work_dir, _ in runs.values()), '-o', report)
    # Last, so that a summary is only there when everything before it worked.
    target = args.work_dir / 'summary.json'
    target.write_text(json.dumps(summary, indent=2) + '\n')

    console.print(results_table(summary))
    for name, (work_dir, checkpoint) in runs.items():
        console.print(f'{METHODS[name][0]}: checkpoint {checkpoint}, logs in {work_dir}')
    console.print(f'Table as JSON: {target}')
    console.print(f'Report: {report / "index.html"}')
    return 0


def run_tool(tool: str, *arguments) -> None:
    """Run a tool of this folder; its output goes to the terminal, its failure ends the demo."""
    command = [sys.executable, str(ROOT / 'tools' / tool), *map(str, arguments)]
    code = subprocess.run(command).returncode
    if code:
        raise SystemExit(f'demo: tools/{tool} ended with exit code {code}; see its output above')


def results_table(summary: dict) -> Table:
    """Method x accuracies in percent; a group without classes has no figure."""
    table = Table(title='Digits-LT, imbalance factor 50, test split (%, balanced)')
    table.add_column('method')
    for title in COLUMNS.values():
        table.add_column(title, justify='right')
    for name, figures in summary.items():
        cells = [f'{figures[key]:.1f}' if key in figures else '-' for key in COLUMNS]
        table.add_row(METHODS[name][0], *cells)
    return table


if __name__ == '__main__':
    sys.exit(main())
