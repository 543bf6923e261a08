"""``tools/ablate.py``: some configs, some seeds, one table with intervals and differences."""

import argparse
import os
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from rcl_mm.cli.arguments import CFG_OPTIONS_HELP, SettingsAction
from rcl_mm.runtime.errors import UsageError
from study.command_line import (
    add_experiment_arguments,
    require_complete,
    run_tool,
    settings_of,
)
from study.comparison import (
    METRICS,
    compare,
    differences_table,
    means_table,
)
from study.pool import Outcome, Run, run_experiment
from study.run_files import write_json

# Rows of METHOD's table; those that are methods are the methods' own configs.
DIGITS_ROWS = {
    '1_supcon': 'configs/supcon/resnet8_digits_lt.py',
    '2_class_averaging': 'configs/ablation/resnet8_digits_lt_2_class_averaging.py',
    '3_bcl': 'configs/bcl/resnet8_digits_lt.py',
    '4_rebalanced': 'configs/ablation/resnet8_digits_lt_4_rebalanced.py',
    '5_rcl': 'configs/rcl/resnet8_digits_lt.py',
    '6_standalone': 'configs/rcl/resnet8_digits_lt_standalone.py',
}
DIGITS_BASELINE = '3_bcl'


def parser() -> argparse.ArgumentParser:
    """Arguments of ``tools/ablate.py``."""
    parser = argparse.ArgumentParser(description='Compare configs over seeds')
    parser.add_argument(
        'configs',
        nargs='*',
        metavar='CONFIG',
        help='paths of the configs, a row each. Defaults to the six rows of the ablation on '
        'Digits-LT',
    )
    parser.add_argument('--seeds', type=int, default=5, help='runs of each config. Defaults to 5')
    parser.add_argument('--first-seed', type=int, default=0)
    parser.add_argument(
        '--baseline',
        help='row that the others are compared with: the name in the table. Defaults to the first '
        'row, and to BCL for the ablation on Digits-LT',
    )
    parser.add_argument(
        '--feature-metrics', action='store_true', help='measure the feature space too'
    )
    parser.add_argument('--cfg-options', nargs='+', action=SettingsAction, help=CFG_OPTIONS_HELP)
    add_experiment_arguments(parser, 'work_dirs/ablation')
    return parser


def row_names(configs: Sequence[str]) -> List[str]:
    """Short names that tell the configs apart: file names, folder names, or both.

    Words that all file names begin with are left out.


    Raises:
        UsageError: If a config is given twice.
    """
    paths = [Path(config) for config in configs]
    stems, folders = [p.stem for p in paths], [p.parent.name for p in paths]
    common = len(os.path.commonprefix(stems).rpartition('_')[0]) + 1
    if len(stems) > 1 and len(set(stems)) == len(stems) and common > 1:
        stems = [stem[common:] for stem in stems]
    both = [f'{folder}/{stem}' for folder, stem in zip(folders, stems)]
    for names in (stems, folders, both, [str(p.with_suffix('')) for p in paths]):
        if len(set(names)) == len(names):
            return names
    raise UsageError(f'a config is given twice: {max(configs, key=configs.count)}')


def ablation_runs(
    rows: Mapping[str, str],
    seeds: Sequence[int],
    options: Optional[Dict[str, Any]] = None,
    feature_metrics: bool = False,
) -> List[Run]:
    """All configs with the first seed, then all with the next: an early stop is fair to all.

    Args:
        rows (Mapping[str, str]): Config by the name of its row.
        seeds (Sequence[int]): Runs of each.
        options (dict, optional): Overrides for all.
        feature_metrics (bool): Measure the feature space too. Defaults to False.
    """
    return [
        Run(
            name=f'{name}/seed{seed}',
            config=config,
            seed=seed,
            options=dict(options or {}),
            factors={'part': 'ablation', 'method': name},
            feature_metrics=feature_metrics,
        )
        for seed in seeds
        for name, config in rows.items()
    ]


def ablation_document(outcome: Outcome, baseline: str, order: Sequence[str]) -> Dict[str, Any]:
    """The table of an ablation for JSON, with ``markdown`` ready to print."""
    done = {record['factors']['method'] for record in outcome.records}
    base = baseline if baseline in done else None
    found = compare(outcome.records, 'method', METRICS, base, order)
    text = means_table(found, METRICS)
    if len(found.differences):
        text += '\n\n' + differences_table(found, METRICS)
    total = len(outcome.records) + len(outcome.failures) + len(outcome.left)
    note = '' if outcome.complete else f' PARTIAL: {len(outcome.records)} of {total} runs.'
    text += f'\n\nMean ± half width of the 95% interval over seeds.{note}\n'
    return {
        'complete': outcome.complete,
        'baseline': base,
        'rows': found.document(),
        'markdown': text,
        'failures': outcome.failures,
    }


def digits_ablation_tables(records: Sequence[Dict[str, Any]]) -> str:
    """What ``make ablation`` prints, from its results."""
    outcome = Outcome(records=list(records))
    return ablation_document(outcome, DIGITS_BASELINE, list(DIGITS_ROWS))['markdown']


def ablate(args: argparse.Namespace) -> None:
    """Run an ablation, write ``ablation.json`` and ``ablation.md``, print the table."""
    if args.seeds < 1:
        raise UsageError(f'seeds is {args.seeds}, allowed is 1 or more')
    rows = dict(zip(row_names(args.configs), args.configs)) if args.configs else DIGITS_ROWS
    names = list(rows)
    baseline = args.baseline or (names[0] if args.configs else DIGITS_BASELINE)
    if baseline not in names:
        raise UsageError(f'baseline is "{baseline}", allowed are {", ".join(names)}')
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    runs = ablation_runs(rows, seeds, args.cfg_options, args.feature_metrics)
    settings = settings_of(args)
    outcome = run_experiment(runs, settings)
    document = ablation_document(outcome, baseline, names)
    write_json(settings.work_dir / 'ablation.json', document)
    (settings.work_dir / 'ablation.md').write_text(document['markdown'], 'utf-8')
    print(document['markdown'])
    require_complete(outcome, settings)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Entry of ``tools/ablate.py``; returns the exit code."""
    args = parser().parse_args(arguments)
    return run_tool(lambda: ablate(args), args.debug)
