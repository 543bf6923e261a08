"""Check that the package works on several lines of versions: import, train, resume, test.

    python tools/compat.py [LINE ...] [--work-dir DIR]

Lines: pinned (requirements/constraints.txt, the environment this runs in), newest (what the package
index has today) and older (torch 2.4 with numpy 1). The last two get environments of their own in
the work dir, several GB each, made once. A table is printed and written to summary.json.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import Dict, List, Optional

from study.markdown_table import markdown_table

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / 'configs/rcl/resnet8_digits_lt.py'
# Without rcl_mm itself: it is imported from this folder, whatever versions it would ask for.
COMMON = ['timm', 'mmengine', 'mmpretrain', 'mmcv-lite<2.2', 'scikit-learn', 'matplotlib', 'rich']
LINES: Dict[str, Optional[List[str]]] = {
    'pinned': None,
    'newest': ['torch', 'torchvision', 'numpy', 'opencv-python', *COMMON],
    'older': ['torch==2.4.1', 'torchvision==0.19.1', 'numpy<2', 'opencv-python<5', *COMMON],
}
STEPS = ('import', '5 iterations', 'resume', 'test')
VERSIONS = ('torch', 'torchvision', 'numpy', 'mmengine', 'mmpretrain', 'timm')
MINUTES = 15


def environment(line: str, work_dir: Path) -> str:
    """The interpreter of a line; its environment is made if there is none yet."""
    packages = LINES[line]
    if packages is None:
        return sys.executable
    folder = work_dir / line
    python, finished = folder / 'bin/python', folder / 'installed.txt'
    if not finished.is_file() or finished.read_text().split() != packages:
        print(f'{line}: installing {" ".join(packages)} (minutes, several GB)', flush=True)
        venv.create(folder, clear=True, with_pip=True)
        command = [str(python), '-m', 'pip', 'install', '--quiet', *packages]
        subprocess.run(command, check=True, timeout=60 * MINUTES)
        finished.write_text('\n'.join(packages))
    return str(python)


def run(line: str, work_dir: Path) -> Dict[str, object]:
    """All steps of a line, until one fails."""
    row: Dict[str, object] = {'line': line}
    try:
        python = environment(line, work_dir)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        row['failed'] = f'install: {error}'
        return row
    run_dir = work_dir / f'run_{line}'
    settings = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    options = ['--cfg-options', 'train_cfg.val_interval=1', 'default_hooks.checkpoint.interval=1']
    train = [str(ROOT / 'tools/train.py'), str(CONFIG), '--work-dir', str(run_dir)]
    test = [str(ROOT / 'tools/test.py'), str(CONFIG), str(run_dir / 'epoch_2.pth')]
    imported = 'import rcl_mm'
    commands = {
        'import': ['-c', imported],
        # Batches of 64 of the 297 training images: an epoch has 5 iterations.
        '5 iterations': [*train, *options, 'train_cfg.max_epochs=1'],
        'resume': [*train, '--resume', *options, 'train_cfg.max_epochs=2'],
        'test': [*test, '--work-dir', str(run_dir)],
    }
    code = f'from importlib.metadata import version as v\nprint(*map(v, {VERSIONS}))'
    found = subprocess.run([python, '-c', code], capture_output=True, text=True, check=True)
    row['versions'] = dict(zip(VERSIONS, found.stdout.split()))
    subprocess.run(['rm', '-rf', str(run_dir)], check=True)
    for step in STEPS:
        begin = time.monotonic()
        print(f'{line}: {step}', flush=True)
        try:
            result = subprocess.run(
                [python, *commands[step]],
                env=settings,
                capture_output=True,
                text=True,
                timeout=60 * MINUTES,
            )
        except subprocess.TimeoutExpired:
            row['failed'] = f'{step}: not finished after {MINUTES} minutes'
            return row
        if result.returncode:
            row['failed'] = f'{step}: {result.stderr.strip().splitlines()[-1][:300]}'
            return row
        row[step] = round(time.monotonic() - begin, 1)
        # Warnings that a user would see.
        lines = [text for text in result.stderr.splitlines() if 'Warning' in text]
        row.setdefault('warnings', []).extend(lines)
    return row


def table(rows: List[Dict[str, object]]) -> str:
    """The results as a Markdown table."""
    cells = []
    for row in rows:
        versions = row.get('versions', {})
        steps = [f'{row[step]} s' if step in row else 'failed' for step in STEPS]
        found = [versions.get(name, '-') for name in VERSIONS]
        cells.append([row['line'], *found, *steps, len(row.get('warnings', []))])
    return markdown_table(['line', *VERSIONS, *STEPS, 'warnings'], cells)


def main() -> int:
    """Run the lines; 0 if all steps of all of them work."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('lines', nargs='*', metavar='LINE', help=', '.join(LINES))
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs/compat')
    args = parser.parse_args()
    unknown = set(args.lines) - set(LINES)
    if unknown:
        parser.error(f'unknown line {sorted(unknown)}, allowed are {", ".join(LINES)}')
    args.work_dir.mkdir(parents=True, exist_ok=True)
    rows = [run(line, args.work_dir.resolve()) for line in args.lines or LINES]
    (args.work_dir / 'summary.json').write_text(json.dumps(rows, indent=1))
    print(f'\n{table(rows)}\n')
    for row in rows:
        for text in row.get('warnings', []):
            print(f'{row["line"]}: {text}')
        if 'failed' in row:
            print(f'{row["line"]} FAILED: {row["failed"]}', file=sys.stderr)
    return int(any('failed' in row for row in rows))


if __name__ == '__main__':
    sys.exit(main())
