"""What the tools that run experiments have in common: arguments, and what they say at the end."""

import argparse
import sys
from pathlib import Path
from typing import Any, Callable

from rcl_mm.errors import InputError
from rcl_mm.runtime.errors import report_errors
from study.pool import Outcome
from study.workers import DEVICES, Settings

EXIT_INTERRUPTED = 130


class IncompleteError(InputError):
    """Some runs have no result: reported in one line, exit code 1."""


def add_experiment_arguments(parser: argparse.ArgumentParser, work_dir: str) -> None:
    """Arguments of every tool that runs an experiment."""
    parser.add_argument(
        '--work-dir', default=work_dir, help='folder of the runs; the same one goes on'
    )
    parser.add_argument(
        '--jobs', type=int, help='worker processes. Defaults to one a processor core, 16 at most'
    )
    parser.add_argument('--device', choices=DEVICES, default='auto')
    parser.add_argument(
        '--max-minutes', type=float, help='stop then; the same command goes on where it stopped'
    )
    parser.add_argument(
        '--no-checkpoints',
        action='store_true',
        help='keep no checkpoints; a run that is interrupted starts again',
    )
    parser.add_argument('--commit', help='commit of the code, where there is no git to ask')
    parser.add_argument('--debug', action='store_true', help='show the traceback of every error')


def settings_of(args: argparse.Namespace) -> Settings:
    """The settings that these arguments stand for.

    Raises:
        UsageError: If they can not work.
    """
    settings = Settings(
        work_dir=Path(args.work_dir),
        jobs=args.jobs,
        device=args.device,
        max_minutes=args.max_minutes,
        checkpoints='none' if args.no_checkpoints else 'last',
        commit=args.commit,
    )
    settings.check()
    return settings


def require_complete(outcome: Outcome, settings: Settings) -> None:
    """Raise an IncompleteError if a run has no result.

    Raises:
        IncompleteError: Says how many there are, and what to do.
    """
    if outcome.complete:
        return
    parts = []
    if outcome.failures:
        name, error = next(iter(outcome.failures.items()))
        parts.append(
            f'{len(outcome.failures)} runs failed, such as {name} ({error}; traceback in '
            f'{settings.work_dir / name}/failure.json)'
        )
    if outcome.left:
        parts.append(f'{len(outcome.left)} runs are left for lack of time')
    raise IncompleteError(
        f'{" and ".join(parts)}; {len(outcome.records)} are done: the same command goes on'
    )


def run_tool(work: Callable[[], Any], debug: bool) -> int:
    """Do a tool's work and return its exit code; Ctrl-C is not an error with a traceback."""
    try:
        return report_errors(work, debug=debug)
    except KeyboardInterrupt:
        print('stopped: the same command goes on', file=sys.stderr)
        return EXIT_INTERRUPTED
