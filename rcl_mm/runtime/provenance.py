"""Which command, on which versions, made a result."""

import importlib.metadata
import json
import platform
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Dict, Union

import torch

from rcl_mm.version import __version__

RUN_NAME = 'run.json'
PACKAGES = ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmcv-lite', 'mmpretrain', 'timm', 'numpy')


def provenance() -> Dict[str, Union[str, Dict[str, str]]]:
    """Command, time, device and versions of the running process, ready for JSON.

    Returns:
        dict: ``command``, ``time`` (UTC, ISO 8601), ``device`` and ``versions`` by package name.
    """
    versions = {'rcl_mm': __version__, 'python': platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else 'CPU'
    return {
        'command': shlex.join(['python', *sys.argv]),
        'time': datetime.now(UTC).isoformat(timespec='seconds'),
        'device': device,
        'versions': versions,
    }


def write_provenance(folder: Union[str, Path]) -> None:
    """Write :func:`provenance` to ``run.json`` in the log folder of a run, for the report."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RUN_NAME).write_text(json.dumps(provenance(), indent=2), 'utf-8')
