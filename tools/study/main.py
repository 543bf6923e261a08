"""``tools/study.py``: what RCL gains, measured; resumable, bounded, collected into one file."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from rcl_mm.cli.arguments import CFG_OPTIONS_HELP, SettingsAction
from rcl_mm.runtime.errors import UsageError
from study.command_line import (
    add_experiment_arguments,
    require_complete,
    run_tool,
    settings_of,
)
from study.comparison import ACCURACY_METRICS, compare, means_table
from study.pages import update_results
from study.plan import (
    CIFAR_METHODS,
    CIFAR_RECIPES,
    DIGITS_METHODS,
    IMBALANCES,
    SEEDS,
    SWEEP_SEEDS,
    cifar_runs,
    cifar_sweep_runs,
    digits_runs,
    feature_scale,
    sweep_runs,
)
from study.pool import Outcome, Run, Settings, run_experiment
from study.records import collect, restore
from study.run_files import write_json
from study.sweep_tables import best_setting, methods_of
from study.tables import balanced_table

PARTS = ('sweep', 'digits', 'cifar-sweep', *CIFAR_RECIPES)
SWEEPS = ('sweep', 'cifar-sweep')
ACTIONS = ('run', 'collect', 'restore', 'tables')
DEFAULT_SEEDS = {
    'sweep': SWEEP_SEEDS,
    'digits': SEEDS,
    'cifar-sweep': 1,
    'cifar': 5,
    'cifar-full': 3,
}
METHODS = tuple(dict.fromkeys([*DIGITS_METHODS, *CIFAR_METHODS]))
CHOICE_NAME = 'choice.json'


def parser() -> argparse.ArgumentParser:
    """Arguments of ``tools/study.py``."""
    parser = argparse.ArgumentParser(description='Run the study and make its tables')
    actions = parser.add_subparsers(dest='action', required=True)
    run = actions.add_parser('run', help='run the study (the default)')
    run.add_argument(
        '--part',
        nargs='+',
        choices=PARTS,
        default=['sweep', 'digits'],
        help='sweep: settings on the validation split of Digits-LT; digits: the study on '
        'Digits-LT; cifar-sweep, cifar-full: the same with the full recipe on CIFAR-10 '
        '(JPEG)-LT, for a GPU; cifar: a short protocol on it for processors. Defaults to sweep '
        'and digits',
    )
    run.add_argument('--seeds', type=int, help='runs of each row. Defaults to 10 on Digits-LT')
    run.add_argument('--methods', nargs='+', choices=METHODS, metavar='METHOD', help='rows to run')
    run.add_argument(
        '--imbalances',
        nargs='+',
        choices=IMBALANCES,
        metavar='TYPE_FACTOR',
        help=f'imbalances of Digits-LT to run, of {", ".join(IMBALANCES)}',
    )
    run.add_argument(
        '--cfg-options', nargs='+', action=SettingsAction, help=f'for every run: {CFG_OPTIONS_HELP}'
    )
    add_experiment_arguments(run, 'work_dirs/study')
    gather = actions.add_parser('collect', help='all results of a work dir in one file')
    gather.add_argument('source', metavar='WORK_DIR')
    gather.add_argument('-o', '--output', required=True, metavar='JSON')
    back = actions.add_parser('restore', help='the opposite: go on with results made elsewhere')
    back.add_argument('source', metavar='JSON')
    back.add_argument('--work-dir', required=True)
    tables = actions.add_parser('tables', help='make the tables of docs/results.md')
    tables.add_argument('--check', action='store_true', help='only tell whether they are current')
    for action in (gather, back, tables):
        action.add_argument('--debug', action='store_true', help='show tracebacks')
    return parser


def plan(part: str, args: argparse.Namespace, extra: Dict[str, Dict[str, Any]]) -> List[Run]:
    """The runs of a part of the study."""
    seeds = args.seeds or DEFAULT_SEEDS[part]
    if part == 'sweep':
        runs = sweep_runs(seeds)
    elif part == 'digits':
        runs = digits_runs(seeds, args.methods, extra, args.imbalances)
    elif part == 'cifar-sweep':
        runs = cifar_sweep_runs(seeds)
    else:
        runs = cifar_runs(part, seeds, args.methods, extra if part == 'cifar-full' else None)
    for run in runs:
        run.options.update(args.cfg_options or {})
    return runs


def run_study(args: argparse.Namespace) -> None:
    """Run the parts one after the other; the sweep chooses the feature scale of the study."""
    if args.seeds is not None and args.seeds < 1:
        raise UsageError(f'seeds is {args.seeds}, allowed is 1 or more')
    settings = settings_of(args)
    started = time.monotonic()
    outcomes = Outcome()
    extra: Dict[str, Dict[str, Any]] = {}
    # The order of PARTS, whatever order they are asked for in.
    for part in sorted(set(args.part), key=PARTS.index):
        runs = plan(part, args, extra)
        if args.max_minutes is not None:
            left = args.max_minutes - (time.monotonic() - started) / 60
            settings.max_minutes = max(left, 1e-3)
        outcome = run_experiment(runs, settings)
        outcomes.records += outcome.records
        outcomes.failures.update(outcome.failures)
        outcomes.left += outcome.left
        if part in SWEEPS and outcome.complete:
            extra = choose(part, outcome, settings)
        elif part in SWEEPS and len(args.part) > 1:
            break  # the study waits for the choice
        elif outcome.records:
            show(part, outcome.records)
    require_complete(outcomes, settings)


def choose(part: str, outcome: Outcome, settings: Settings) -> Dict[str, Dict[str, Any]]:
    """Options of the rows whose settings a sweep chooses, at gamma = 1.

    On Digits-LT the feature scale, at the config's con_weight; on CIFAR both.
    """
    choice, extra = {}, {}
    for method in methods_of(outcome.records):
        (sharpness, _, weight), value = best_setting(outcome.records, method)
        chosen = dict(feature_scale=feature_scale(sharpness), con_weight=weight)
        choice[method] = dict(sharpness=sharpness, **chosen, balanced=value.mean)
        extra[method] = {f'model.head.loss.{name}': value for name, value in chosen.items()}
        print(
            f'{method}: s^2/tau = {sharpness:g} (feature_scale {chosen["feature_scale"]:g}) and '
            f'con_weight {weight:g} are best on validation'
        )
    write_json(settings.work_dir / f'{part}-{CHOICE_NAME}', choice)
    return extra


def show(part: str, records: Sequence[Dict[str, Any]]) -> None:
    """Print what there is of a part."""
    if part == 'digits':
        print(balanced_table(records))
    else:
        found = compare(records, metrics=ACCURACY_METRICS, order=list(CIFAR_METHODS))
        print(means_table(found, ACCURACY_METRICS))


def execute(args: argparse.Namespace) -> None:
    """Do what the arguments say."""
    if args.action == 'run':
        run_study(args)
    elif args.action == 'collect':
        number = collect(Path(args.source), Path(args.output))
        print(f'{number} results in {args.output}')
    elif args.action == 'restore':
        number = restore(Path(args.source), Path(args.work_dir))
        print(f'{number} results in {args.work_dir}')
    else:
        update_results(check=args.check)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Entry of ``tools/study.py``; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or (arguments[0] not in ACTIONS and arguments[0] not in ('-h', '--help')):
        arguments.insert(0, 'run')
    args = parser().parse_args(arguments)
    return run_tool(lambda: execute(args), args.debug)
