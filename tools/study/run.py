"""One run of an experiment: a config with a seed, trained, tested and written down as JSON."""

import copy
import hashlib
import json
import math
import subprocess
import time
import traceback
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Dict, List, Optional

import torch
from mmengine.config import Config, ConfigDict
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from rcl_mm.cli.arguments import train_parser
from rcl_mm.cli.launch import build_runner, finish_config, load_config
from rcl_mm.cli.merge_arguments import merge_train_arguments
from rcl_mm.runtime.errors import UsageError, one_line
from rcl_mm.runtime.provenance import provenance
from study.run_files import (
    FAILURE_NAME,
    RESULT_NAME,
    read_json,
    remove_checkpoints,
    remove_what_is_stale,
    write_json,
)
from study.runner_state import isolated_runner_state

FORMAT = 1
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Run:
    """What to train, and what to call it.

    Attributes:
        name (str): Unique among the runs of an experiment; also its folder, so '/' nests.
        config (str): Path of the config, relative to the repository's root or absolute.
        seed (int): Random seed of the run.
        options (dict): Settings that override the config's, as ``--cfg-options``.
        factors (dict): What the run stands for in a table: method, imbalance factor, ...
        split (str): 'test', or 'val' for runs that choose a setting: those never load test images.
        feature_metrics (bool): Whether to measure the feature space too.
    """

    name: str
    config: str
    seed: int
    options: Dict[str, Any] = field(default_factory=dict)
    factors: Dict[str, Any] = field(default_factory=dict)
    split: str = 'test'
    feature_metrics: bool = False

    def __post_init__(self) -> None:
        if self.split not in ('test', 'val'):
            raise ValueError(f'split is {self.split!r}, allowed are test and val')
        parts = Path(self.name).parts
        if not parts or Path(self.name).is_absolute() or '..' in parts:
            raise ValueError(f'run name {self.name!r} is no relative path: it is also a folder')

    @property
    def config_path(self) -> Path:
        """Where the config file is."""
        path = Path(self.config)
        return path if path.is_absolute() or path.is_file() else ROOT / path

    def require_config(self) -> None:
        """Raise a UsageError if the config file does not exist."""
        if not self.config_path.is_file():
            raise UsageError(
                f'config "{self.config}" does not exist: give the path of a config file'
            )

    def folder(self, work_dir: Path) -> Path:
        """The run's own folder."""
        return Path(work_dir) / self.name

    def digest(self) -> str:
        """Changes with every setting that changes the result, so that no stale result is taken.

        Of the config with the options in it: a setting that moves from the options to the config,
        or is overridden anyway, makes no result stale.
        """
        self.require_config()
        config = copy.deepcopy(_read_config(str(self.config_path)))
        config.merge_from_dict(self.options)
        settings = json.dumps(config.to_dict(), sort_keys=True, default=str)
        what = [settings, self.seed, self.split, self.feature_metrics]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]

    def record(self, work_dir: Path) -> Optional[Dict[str, Any]]:
        """The result of this run if it has been done with just these settings."""
        record = read_json(self.folder(work_dir) / RESULT_NAME)
        return record if record and record.get('digest') == self.digest() else None


@cache
def _read_config(path: str) -> Config:
    """A config file with its bases; not to be changed."""
    return Config.fromfile(path, import_custom_modules=False)


def execute_run(
    run: Run, work_dir: Path, checkpoints: str = 'last', commit: Optional[str] = None
) -> Dict[str, Any]:
    """Train and evaluate a run in this process and write its result.

    Goes on from the newest whole checkpoint of the run if there is one. The result is that of the
    LAST epoch; where the config has ``save_best``, the checkpoint that is best on validation is
    tested too and reported apart.

    Args:
        run (Run): What to do.
        work_dir (Path): Folder of the experiment; the run works in a folder of its own below it.
        checkpoints (str): 'last' keeps the last checkpoint of a finished run; 'none' writes none
            (or only those that ``save_best`` needs, and removes them).
        commit (str, optional): Commit of the code, for the record.

    Returns:
        dict: The record, as written to ``result.json``.
    """
    folder, digest = run.folder(work_dir), run.digest()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FAILURE_NAME).unlink(missing_ok=True)
    remove_what_is_stale(folder, digest)
    started = time.time()
    resumed = any(folder.glob('*.pth'))
    with isolated_runner_state():
        runner = build_runner(run_config(run, folder, checkpoints))
        try:
            runner.train()
            made_by = provenance()
            record = {
                'format': FORMAT,
                **asdict(run),
                'digest': digest,
                'epochs': runner.epoch,
                'iterations': runner.iter,
                'resumed': resumed,
                'metrics': evaluate(runner, run.split),
                'best_on_val': evaluate_best(runner, run.split),
                'device': device_name(),
                'threads': torch.get_num_threads(),
                'duration': round(time.time() - started, 1),
                'commit': commit,
                'time': made_by['time'],
                'versions': made_by['versions'],
            }
        finally:
            release(runner)
    remove_checkpoints(folder, keep_last=checkpoints == 'last')
    write_json(folder / RESULT_NAME, record)
    return record


def record_failure(run: Run, work_dir: Path, error: BaseException) -> None:
    """Write down why a run failed; it is tried again the next time."""
    document = {
        'format': FORMAT,
        **asdict(run),
        'error': f'{type(error).__name__}: {one_line(error)}',
        'traceback': ''.join(traceback.format_exception(error)),
    }
    write_json(run.folder(work_dir) / FAILURE_NAME, document)


def run_config(run: Run, folder: Path, checkpoints: str) -> Config:
    """The finished config of a run, as ``tools/train.py`` would make it."""
    arguments = [str(run.config_path), '--work-dir', str(folder), '--seed', str(run.seed)]
    if any(folder.glob('*.pth')):
        arguments.append('--resume')
    args = train_parser().parse_args(arguments)
    args.cfg_options = dict(run.options)
    cfg = load_config(args)
    # MMEngine formats a config with yapf five times a run: seconds, for runs of seconds.
    cfg.__dict__['_format_python_code'] = False
    merge_train_arguments(cfg, args)
    cfg = finish_config(cfg, args)
    # Unique in the process: MMEngine keeps loggers and message hubs by this name.
    cfg.experiment_name = run.name.replace('/', '-')
    if run.split == 'val':
        cfg.test_dataloader = cfg.test_evaluator = cfg.test_cfg = None
    if run.feature_metrics:
        add_feature_metrics(cfg)
    hooks = cfg.setdefault('default_hooks', ConfigDict())
    hook = hooks.get('checkpoint')
    if hook is not None:
        if checkpoints == 'none' and not hook.get('save_best'):
            hooks['checkpoint'] = None
        else:
            hook['max_keep_ckpts'] = 1
    return cfg


def add_feature_metrics(cfg: Config) -> None:
    """Measure compactness and balancedness of the features, in every evaluation."""
    for name in ('val_evaluator', 'test_evaluator'):
        evaluator = cfg.get(name)
        if evaluator is None:
            continue
        metrics = list(evaluator) if isinstance(evaluator, (list, tuple)) else [evaluator]
        if not any(metric['type'] == 'FeatureSpaceMetric' for metric in metrics):
            cfg[name] = [*metrics, dict(type='FeatureSpaceMetric')]
    hooks = list(cfg.get('custom_hooks') or [])
    if not any(hook['type'] == 'FeatureCollectorHook' for hook in hooks):
        cfg.custom_hooks = [*hooks, dict(type='FeatureCollectorHook')]


def evaluate(runner: Runner, split: str) -> Dict[str, Optional[float]]:
    """Metrics of the model as it is now; None for what is not a finite number."""
    metrics = runner.test() if split == 'test' else runner.val()
    return {k: float(v) if math.isfinite(v) else None for k, v in metrics.items()}


def evaluate_best(runner: Runner, split: str) -> Optional[Dict[str, Any]]:
    """The checkpoint that was best on validation, or None if the config asks for none."""
    best = next((h for h in runner.hooks if isinstance(h, CheckpointHook) and h.save_best), None)
    path = None if best is None else runner.message_hub.get_info('best_ckpt', None)
    if path is None:
        return None
    checkpoint = runner.load_checkpoint(path)
    meta = checkpoint['meta']
    metrics = evaluate(runner, split)
    return {'selected_by': best.key_indicators[0], 'epoch': int(meta['epoch']), 'metrics': metrics}


def release(runner: Runner) -> None:
    """Let go of the workers of the data loaders and of cached memory of the GPU."""
    for name in ('_train_loop', '_val_loop', '_test_loop'):
        loader = getattr(getattr(runner, name, None), 'dataloader', None)
        if loader is not None:
            loader._iterator = None
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def device_name() -> str:
    """Name of the GPU, or model of the processor."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    try:
        lines = Path('/proc/cpuinfo').read_text('utf-8').splitlines()
    except OSError:
        lines = []
    models = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return f'CPU: {models[0]}' if models else 'CPU'


def code_commit() -> Optional[str]:
    """Commit of the code that runs, with '-dirty' if tracked code differs; None without git."""

    def git(*arguments: str) -> List[str]:
        command = ['git', '-C', str(ROOT), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        return done.stdout.splitlines()

    try:
        commit = git('rev-parse', 'HEAD')[0]
        changed = git('status', '--porcelain', '-uno', '--', 'rcl_mm', 'configs', 'tools')
    except (OSError, IndexError, subprocess.SubprocessError):
        return None
    return commit + ('-dirty' if changed else '')
