"""What ``tools/train.py`` and ``tools/test.py`` do: config, runner, run."""

import argparse
import logging
import os
import os.path as osp
import sys
from copy import deepcopy
from typing import List, Optional, Sequence

import mmengine
from mmengine.config import Config, ConfigDict
from mmengine.evaluator import DumpResults
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from rcl_mm.cli.arguments import check_out, test_parser, train_parser
from rcl_mm.cli.crops import check_crops
from rcl_mm.cli.data_options import (
    merge_options,
    merge_options_for_conversion,
    warn_of_unknown_names,
)
from rcl_mm.cli.merge_arguments import (
    merge_test_arguments,
    merge_train_arguments,
    use_test_time_augmentation,
)
from rcl_mm.cli.parts import check_parts
from rcl_mm.cli.settings import check_settings
from rcl_mm.cli.survival import SURVIVAL_HOOKS, survives, use_resumable_parts
from rcl_mm.conversion import config_diff, convert_config
from rcl_mm.engine.hooks.checkpoint_check import CheckpointCheckHook
from rcl_mm.engine.hooks.class_counts import ClassCountsHook
from rcl_mm.engine.hooks.class_names import ClassNamesHook
from rcl_mm.engine.hooks.features import FeatureCollectorHook
from rcl_mm.engine.hooks.image_check import ImageCheckHook
from rcl_mm.evaluation.monitored_keys import check_monitored_keys
from rcl_mm.evaluation.results import is_results_path
from rcl_mm.evaluation.results_recorder import record_results, save_results
from rcl_mm.runtime.compat import (
    adapt_to_cpu,
    filter_needless_log_lines,
    filter_needless_warnings,
    init_cpu_process_group,
    is_first_process,
    mend_metrics_file_of_every_rank,
    mend_missing_pkg_resources,
)
from rcl_mm.runtime.configs import read_config
from rcl_mm.runtime.errors import report_errors, writing
from rcl_mm.runtime.provenance import write_provenance
from rcl_mm.runtime.run_lock import give_back_folder, hold_folder


def train(args: argparse.Namespace) -> Runner:
    """Train as the arguments of ``tools/train.py`` say; returns the finished runner."""
    cfg = load_config(args)
    if args.rcl:
        cfg = convert_to_rcl(cfg, args)
    merge_train_arguments(cfg, args)
    cfg = finish_config(cfg, args)
    check_crops(cfg)
    check_monitored_keys(cfg)
    if is_first_process(cfg.launcher):
        with writing(cfg.work_dir, 'made'):
            hold_folder(cfg.work_dir)
    try:
        runner = build_runner(cfg)
        if runner.rank == 0:
            write_provenance(osp.join(runner.work_dir, runner.timestamp))
        runner.train()
        return runner
    finally:
        give_back_folder(cfg.work_dir)


def test(args: argparse.Namespace) -> dict:
    """Test as the arguments of ``tools/test.py`` say; returns the metrics."""
    check_out(args.out, args.out_item)
    cfg = load_config(args)
    merge_test_arguments(cfg, args)
    cfg = finish_config(cfg, args)
    if args.tta:
        use_test_time_augmentation(cfg)
    runner = build_runner(cfg)
    per_class = args.out if args.out_item is None and is_results_path(args.out) else None
    dump_predictions = args.out and not per_class and args.out_item in ('pred', None)
    # Without features where predictions are dumped, so that the dump holds what it always held.
    recorder = record_results(runner, features=not dump_predictions)
    if dump_predictions:
        runner.test_evaluator.metrics.append(DumpResults(out_file_path=args.out))
    metrics = runner.test()
    if args.out and args.out_item == 'metrics' and runner.rank == 0:
        mmengine.dump(metrics, args.out)
    dataset = runner.test_dataloader.dataset
    save_results(recorder, metrics, dataset, cfg.work_dir, args.checkpoint, out=per_class)
    return metrics


def load_config(args: argparse.Namespace) -> Config:
    """The config file of the arguments.

    Raises:
        UsageError: If it does not exist.
        SyntaxError: If it or one of its base files is no Python.
    """
    filter_needless_warnings()
    mend_missing_pkg_resources()
    mend_metrics_file_of_every_rank()
    # Also for code that asks torch for unsafe loading, such as torch.hub.
    os.environ['TORCH_FORCE_WEIGHTS_ONLY_LOAD'] = '1'
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = read_config(args.config)
    check_settings(cfg)
    # Here, before more names come from other arguments.
    warn_of_unknown_names(cfg, args.cfg_options)
    return cfg


def convert_to_rcl(cfg: Config, args: argparse.Namespace) -> Config:
    """The config as RCL, for ``--rcl``; what was changed is printed.

    Settings of ``--cfg-options`` are made before, so that they can make a config convertible, and
    again after it with the other arguments, except those of pipelines, which are different then.
    """
    options = args.cfg_options or {}
    before = deepcopy(cfg)
    merge_options_for_conversion(before, options)
    converted, notes = convert_config(before)
    if os.environ.get('RANK', '0') == '0':
        print('\n'.join([config_diff(before, converted, args.config), *notes]), flush=True)
    args.cfg_options = {key: value for key, value in options.items() if 'pipeline' not in key}
    return converted


def finish_config(cfg: Config, args: argparse.Namespace) -> Config:
    """What training and testing have in common; ``--cfg-options`` comes last and so wins."""
    cfg.launcher = args.launcher
    # In this order: argument, config, name of the config file.
    stem = osp.splitext(osp.basename(args.config))[0]
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or osp.join('./work_dirs', stem)
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if cfg.get(name) is not None:
            cfg[name] = _with_loader_defaults(cfg[name], args)
    merge_options(cfg, args.cfg_options)
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        # torch refuses persistent workers where there are none.
        if cfg.get(name) is not None and not cfg[name].get('num_workers'):
            cfg[name]['persistent_workers'] = False
    check_parts(cfg)
    return cfg


def _with_loader_defaults(loader: ConfigDict, args: argparse.Namespace) -> ConfigDict:
    """MMPretrain's defaults of a data loader, where the config says nothing."""
    defaults = ConfigDict(
        pin_memory=True, persistent_workers=True, collate_fn=dict(type='default_collate')
    )
    merged = deepcopy(defaults)
    merged.update(loader)
    if args.no_pin_memory:
        merged['pin_memory'] = False
    if getattr(args, 'no_persistent_workers', False):
        merged['persistent_workers'] = False
    return merged


def build_runner(cfg: Config) -> Runner:
    """The runner of a config, with the mends and hooks that every run of ours needs.

    Args:
        cfg (Config): A finished config; changed in place where this machine has no GPU.

    Raises:
        OSError: If the work dir can not be made.
    """
    notes = adapt_to_cpu(cfg)
    if survives(cfg):
        use_resumable_parts(cfg)
    init_cpu_process_group(cfg)
    with writing(cfg.work_dir, 'made'):
        os.makedirs(cfg.work_dir, exist_ok=True)
    runner = RUNNERS.build(cfg)
    filter_needless_log_lines(runner.logger)
    for note in notes:
        runner.logger.info(note)
    add_missing_hooks(runner)
    return runner


def add_missing_hooks(runner: Runner) -> List[str]:
    """Register the hooks that a run needs and its config does not name."""
    added = []
    survival = SURVIVAL_HOOKS if survives(runner.cfg) else ()
    always = (
        CheckpointCheckHook,
        ClassCountsHook,
        ClassNamesHook,
        ImageCheckHook,
        FeatureCollectorHook,
    )
    for hook in (*always, *survival):
        if not any(isinstance(one, hook) for one in runner.hooks):
            runner.register_hook(hook())
            added.append(hook.__name__)
    return added


def main(kind: str, arguments: Optional[Sequence[str]] = None) -> int:
    """Entry of the tools.

    Args:
        kind (str): 'train' or 'test'.
        arguments (Sequence[str], optional): Defaults to those of the command line.

    Returns:
        int: Exit code, see docs/reliability.md.
    """
    parser, run = {'train': (train_parser, train), 'test': (test_parser, test)}[kind]
    args = parser().parse_args(arguments)
    return report_errors(lambda: run(args), debug=args.debug)


def leave(code: int) -> None:
    """End the process of a tool.

    A rank of a job ends at once, without the interpreter's tidying up: there a thread of gloo's may
    still be waiting, and C++ then aborts a job that has done all its work.
    """
    if int(os.environ.get('WORLD_SIZE', '1')) < 2:
        sys.exit(code)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
