"""Checking that a data set is there and right, before a long run finds out."""

import os
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, Optional, Union

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rcl_mm.datasets.long_tailed import long_tailed_counts
from rcl_mm.datasets.prepare.cifar import CIFAR_DATASETS, check_cifar
from rcl_mm.datasets.prepare.folders import CIFAR10_JPEG, check_folders, locate_cifar10_jpeg
from rcl_mm.datasets.prepare.lists import LIST_BENCHMARKS, check_list_benchmark
from rcl_mm.datasets.prepare.report import Report, Split
from rcl_mm.errors import InputError

__all__ = ['NAMES', 'Report', 'Split', 'prepare_data']

FOLDER = 'folder'
NAMES = (*CIFAR_DATASETS, *LIST_BENCHMARKS, CIFAR10_JPEG, FOLDER)
# Sets that a long tail is cut from by LongTailedDataset.
BALANCED = (*CIFAR_DATASETS, CIFAR10_JPEG, FOLDER)


@contextmanager
def _progress(console: Optional[Console], what: str, total: int) -> Iterator[Callable]:
    """A progress bar's ``advance`` function; without a console one that does nothing."""
    if console is None:
        yield lambda count: None
        return
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)


def prepare_data(
    name: str,
    root: Union[str, Path],
    *,
    fast: bool = False,
    into: Union[str, Path] = 'data',
    make_lists: bool = False,
    imbalance_factor: Optional[float] = None,
    imbalance_type: str = 'exp',
    output: Union[str, Path, None] = None,
    workers: Optional[int] = None,
    console: Optional[Console] = None,
) -> Report:
    """Check a data set and, if nothing is missing or wrong, write its class counts.

    Args:
        name (str): One of ``NAMES``.
        root (str | Path): The ``data_root`` for configs; for 'cifar10_jpeg' also the zip itself.
        fast (bool): Look whether the images are there, but do not decode them. Defaults to False.
        into (str | Path): Folder that the zip of 'cifar10_jpeg' is unpacked in. Defaults to 'data'.
        make_lists (bool): Write the lists of 'inaturalist2018' from the challenge's JSON files.
            Defaults to False.
        imbalance_factor (float, optional): Write the counts of the long-tailed set that
            ``LongTailedDataset`` cuts from this one, instead of the full set's.
        imbalance_type (str): 'exp' or 'step'. Defaults to 'exp'.
        output (str | Path, optional): The JSON file. Defaults to
            ``<root>/<name>_class_counts.json``.
        workers (int, optional): Threads that decode. Defaults to the number of CPUs, at most 16.
        console (Console, optional): Where progress is shown; None shows none.

    Returns:
        Report: What was found; ``report.ok`` says whether the set is ready.

    Raises:
        InputError: If the name is unknown or an option does not fit the data set.
        OSError: If the class counts can't be written.
    """
    if name not in NAMES:
        raise InputError(f'no data set {name!r}, allowed are {", ".join(NAMES)}')
    if make_lists and name != 'inaturalist2018':
        raise InputError(f'--make-lists is for inaturalist2018 only, not for {name}')
    if imbalance_factor is not None and name not in BALANCED:
        raise InputError(f'{name} is long-tailed itself: leave the imbalance factor out')
    if imbalance_factor is not None:
        long_tailed_counts(1, 1, imbalance_factor, imbalance_type)
    workers = workers or min(os.cpu_count() or 1, 16)
    report = Report(name, Path(root).expanduser())
    into = Path(into).expanduser()
    # Where the class counts go; the folder of a zip may be one that can only be read.
    place = locate_cifar10_jpeg(report.root, into)[0] if name == CIFAR10_JPEG else report.root
    _check_output(Path(output).expanduser() if output else None, place)

    def start_progress(what: str, total: int):
        return _progress(console, what, total)

    if name in CIFAR_DATASETS:
        check_cifar(report, not fast, workers, start_progress)
    elif name in LIST_BENCHMARKS:
        check_list_benchmark(report, not fast, make_lists, workers, start_progress)
    else:
        check_folders(report, not fast, workers, into, start_progress)
    if report.ok:
        if imbalance_factor is not None:
            _cut_long_tail(report, imbalance_factor, imbalance_type)
        output = Path(output or report.root / f'{name}_class_counts.json').expanduser()
        report.write_counts(output)
    return report


def _check_output(output: Optional[Path], root: Path) -> None:
    """Find out before a long scan that its result could not be written."""
    folder = output.parent if output is not None else root
    if output is not None and (output.is_dir() or not folder.is_dir()):
        raise InputError(
            f'the class counts can not be written to {output}: give a file in a folder'
        )
    if folder.is_dir() and not os.access(folder, os.W_OK):
        raise InputError(f'{folder} is not writable: give another place for the JSON with --output')


def _cut_long_tail(report: Report, imbalance_factor: float, imbalance_type: str) -> None:
    available = report.class_counts
    if report.name in CIFAR_DATASETS and available.min() != available.max():
        raise InputError(
            f'{report.name} in {report.root} is long-tailed already ({available.max():,} ... '
            f'{available.min():,} images of a class): leave the imbalance factor out'
        )
    wanted = long_tailed_counts(
        len(available), available.sum() / len(available), imbalance_factor, imbalance_type
    )
    report.class_counts = available.clip(max=wanted)
    report.notes.append(
        f'The class counts are those of LongTailedDataset with imbalance_type={imbalance_type!r}, '
        f'imbalance_factor={imbalance_factor:g}: {report.class_counts.tolist()}'
    )
