"""Mends for today's stack: each in one place, with its reason, and only where it is needed.

MMEngine 0.10.7 and MMPretrain 1.2.0 date from 2023-2024. What they no longer do by themselves on
current versions, or never did on a machine without a GPU, is mended here by settings wherever a
setting exists. ``rcl_mm.cli.launch`` calls the functions below; importing changes nothing.
"""

import datetime
import importlib
import importlib.util
import logging
import os
import os.path as osp
import subprocess
import warnings
from importlib import metadata
from typing import Any, Iterable, List

import torch.distributed
from mmengine.config import Config, ConfigDict
from mmengine.device import get_device
from mmengine.dist import master_only
from mmengine.hooks import LoggerHook

from rcl_mm.errors import InputError
from rcl_mm.runtime.config_types import is_type

ACCELERATORS = ('cuda', 'npu', 'mlu', 'musa')
# What a launcher sets for each process, where torch's own names are derived from it.
LAUNCHER_VARIABLES = {
    'slurm': ('SLURM_NODELIST', 'SLURM_PROCID', 'SLURM_NTASKS'),
    'mpi': ('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_LOCAL_RANK', 'OMPI_COMM_WORLD_SIZE'),
}
# `message` is matched from the beginning of the warning.
NEEDLESS_WARNINGS = (
    # MMEngine calls torch.cuda.amp.GradScaler, which works and is renamed in newer torch.
    dict(message=r'`torch\.cuda\.amp\.GradScaler', category=FutureWarning),
    # MMEngine asks DDP not to exchange buffers in every forward pass; newer torch renames that.
    dict(message=r'`broadcast_buffers` is deprecated', category=FutureWarning),
    # set_multi_processing of MMEngine sets one thread a process: right for us, and its default.
    dict(message=r'Setting (OMP|MKL)_NUM_THREADS environment variable', category=UserWarning),
)


# MMEngine calls its own old file interface, once in a run; nobody who trains can change that.
NEEDLESS_LOG_LINES = ('"FileClient" will be deprecated', '"HardDiskBackend" is the alias')


def has_accelerator() -> bool:
    """Whether MMEngine trains on a GPU or another accelerator that it knows."""
    return get_device() in ACCELERATORS


def filter_needless_warnings() -> None:
    """Silence warnings that appear in every run and that no user can act on."""
    for needless in NEEDLESS_WARNINGS:
        warnings.filterwarnings('ignore', **needless)


def filter_needless_log_lines(logger: logging.Logger) -> None:
    """The same for warnings that MMEngine writes to its log."""
    for handler in logger.handlers:
        handler.addFilter(lambda record: not str(record.msg).startswith(NEEDLESS_LOG_LINES))


def mend_missing_pkg_resources() -> bool:
    """Let ``_base_ = 'mmpretrain::...'`` and ``mmengine.hub`` work without ``pkg_resources``.

    MMEngine asks ``pkg_resources`` where a package is installed; setuptools 82 removed it. The
    standard library's ``importlib`` answers instead.

    Returns:
        bool: Whether the mend was needed.
    """
    if importlib.util.find_spec('pkg_resources') is not None:
        return False
    import mmengine.config.config
    import mmengine.hub.hub
    import mmengine.utils

    for module in (mmengine.utils, mmengine.config.config, mmengine.hub.hub):
        for function in (is_installed, get_installed_path):
            if hasattr(module, function.__name__):
                setattr(module, function.__name__, function)
    return True


def mend_metrics_file_of_every_rank() -> bool:
    """Let rank 0 alone write the file of a test's metrics.

    MMEngine's ``LoggerHook`` writes it on every rank, to the same path at the same time. The times
    in it have different lengths, and what is left of the longer one makes it invalid JSON.

    Returns:
        bool: Whether the mend was needed.
    """
    if hasattr(LoggerHook.after_test_epoch, '__wrapped__'):
        return False
    LoggerHook.after_test_epoch = master_only(LoggerHook.after_test_epoch)
    return True


def is_installed(package: str) -> bool:
    """Whether a distribution or an importable module of this name exists."""
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return importlib.util.find_spec(package) is not None
    return True


def get_installed_path(package: str) -> str:
    """Folder of an installed package, as ``mmengine.utils.get_installed_path`` returns it.

    Args:
        package (str): Name of a distribution ('mmcv-lite') or of a module ('mmcv').

    Raises:
        ModuleNotFoundError: If there is no such package.
    """
    modules = [package]
    try:
        files = metadata.distribution(package).read_text('top_level.txt') or ''
        modules = [*files.split(), package]
    except metadata.PackageNotFoundError:
        pass  # A module found through PYTHONPATH belongs to no distribution.
    for module in modules:
        spec = importlib.util.find_spec(module)
        if spec is not None and spec.origin is not None:
            return osp.dirname(spec.origin)
    raise ModuleNotFoundError(f'package "{package}" is not installed: pip install {package}')


def adapt_to_cpu(cfg: Config) -> List[str]:
    """Change the settings of a config that need a GPU, on a machine without one.

    Args:
        cfg (Config): Changed in place. Untouched if there is an accelerator.

    Returns:
        list[str]: What was changed and why, for the log.
    """
    if has_accelerator():
        return []
    notes = []
    distributed = cfg.get('launcher', 'none') != 'none'
    optim_wrapper = cfg.get('optim_wrapper') or {}
    if is_type(optim_wrapper, 'AmpOptimWrapper'):
        # MMEngine's AmpOptimWrapper asserts a GPU. bfloat16 needs no loss scaling, so a CPU can
        # do it under autocast; float16 it can not.
        for key in ('loss_scale', 'use_fsdp'):
            optim_wrapper.pop(key, None)
        if optim_wrapper.get('dtype') == 'bfloat16':
            optim_wrapper['type'] = 'CPUAmpOptimWrapper'
            notes.append('no GPU: mixed precision runs in bfloat16 on the CPU')
        else:
            optim_wrapper.pop('dtype', None)
            optim_wrapper['type'] = 'OptimWrapper'
            notes.append('no GPU: mixed precision is off, training runs in float32')
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if (cfg.get(name) or {}).get('pin_memory'):
            # Pinned memory only speeds up copies to a GPU; without one torch warns in every run.
            cfg[name]['pin_memory'] = False
    if distributed:
        # MMEngine gives DDP a device id, which DDP refuses for a model on the CPU.
        wrapper = ConfigDict(
            type='MMDistributedDataParallel',
            broadcast_buffers=False,
            find_unused_parameters=cfg.get('find_unused_parameters', False),
        )
        wrapper.update(cfg.get('model_wrapper_cfg') or {})
        wrapper['device_ids'] = None
        cfg.model_wrapper_cfg = wrapper
        strategy = cfg.get('strategy') or {}
        if is_type(strategy, 'FSDPStrategy', 'ResumableFSDPStrategy'):
            # Nor does FSDP take the CPU unless it is told: it looks for an accelerator.
            strategy.setdefault('model_wrapper', ConfigDict(type='MMFullyShardedDataParallel'))
            strategy['model_wrapper']['device_id'] = 'cpu'
        # torch's SyncBatchNorm has no CPU kernel.
        replaced = _replace_sync_bn(cfg.model)
        if replaced or cfg.get('sync_bn'):
            cfg.sync_bn = None
            notes.append('no GPU: SyncBN is BN, each process normalises over its own batch')
    return notes


# By the names that mmcv and MMEngine register, and as new-style configs name torch's class.
SYNC_BN = ('SyncBN', 'MMSyncBN', 'torch.nn.modules.batchnorm.SyncBatchNorm')


def _replace_sync_bn(node: Any) -> bool:
    """Replace SyncBN by BN in a model config, in place; tell whether there was any."""
    found = False
    if isinstance(node, dict):
        if is_type(node, *SYNC_BN):
            node['type'], found = 'BN', True
        children = list(node.values())
    else:
        children = list(node) if isinstance(node, (list, tuple)) else []
    return any([found, *[_replace_sync_bn(child) for child in children]])


def init_cpu_process_group(cfg: Config) -> bool:
    """Join the processes of a distributed job over gloo, on machines without a GPU.

    MMEngine's own ``init_dist`` calls ``torch.cuda.set_device`` whatever the backend; it leaves an
    existing process group alone.

    Args:
        cfg (Config): ``launcher`` and ``env_cfg.dist_cfg.timeout`` (seconds) are read.

    Returns:
        bool: Whether a process group was made.
    """
    launcher = cfg.get('launcher', 'none')
    if launcher == 'none' or has_accelerator() or torch.distributed.is_initialized():
        return False
    _require_launcher(launcher, LAUNCHER_VARIABLES.get(launcher, ()))
    if launcher == 'slurm':
        _export_slurm_rendezvous()
    elif launcher == 'mpi':
        os.environ.setdefault('RANK', os.environ['OMPI_COMM_WORLD_RANK'])
        os.environ.setdefault('LOCAL_RANK', os.environ['OMPI_COMM_WORLD_LOCAL_RANK'])
        os.environ.setdefault('WORLD_SIZE', os.environ['OMPI_COMM_WORLD_SIZE'])
        os.environ.setdefault('MASTER_PORT', '29500')
    timeout = ((cfg.get('env_cfg') or {}).get('dist_cfg') or {}).get('timeout', 1800)
    _require_launcher(launcher, ('RANK', 'WORLD_SIZE', 'MASTER_ADDR'))
    torch.distributed.init_process_group('gloo', timeout=datetime.timedelta(seconds=timeout))
    return True


def is_first_process(launcher: str) -> bool:
    """Whether this is the main process of a job, by what the launcher says, before it is joined."""
    rank = {'pytorch': 'RANK', 'slurm': 'SLURM_PROCID', 'mpi': 'OMPI_COMM_WORLD_RANK'}
    return launcher == 'none' or os.environ.get(rank[launcher], '0') == '0'


def _require_launcher(launcher: str, names: Iterable[str]) -> None:
    """Refuse a launcher that has not set what it sets.

    Raises:
        InputError: With the names that are missing.
    """
    missing = [name for name in names if name not in os.environ]
    if missing:
        raise InputError(
            f'--launcher {launcher} needs {", ".join(missing)} in the environment: start it '
            'through tools/dist_train.sh, tools/slurm_train.sh or torchrun'
        )


def _export_slurm_rendezvous() -> None:
    """Rank, size and meeting point of a Slurm step, as torch reads them."""
    nodes = os.environ['SLURM_NODELIST']
    if 'MASTER_ADDR' not in os.environ:
        names = subprocess.run(
            ['scontrol', 'show', 'hostnames', nodes], check=True, capture_output=True, text=True
        )
        os.environ['MASTER_ADDR'] = names.stdout.split()[0]
    os.environ.setdefault('MASTER_PORT', '29500')
    os.environ['RANK'] = os.environ['SLURM_PROCID']
    os.environ['WORLD_SIZE'] = os.environ['SLURM_NTASKS']
    os.environ['LOCAL_RANK'] = os.environ.get('SLURM_LOCALID', '0')
