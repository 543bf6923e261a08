"""What a check of a data set found, and how it is shown."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rcl_mm.class_counts import shot_groups
from rcl_mm.errors import InputError
from rcl_mm.runtime.files import replacing
from rcl_mm.text_files import ANY_NAME


@dataclass
class Split:
    """One split as it was found.

    Attributes:
        images (int): Usable entries.
        published (int, optional): Number of images of the published split.
        counts (np.ndarray, optional): Images of each class, shape (C, ).
    """

    images: int
    published: Optional[int] = None
    counts: Optional[np.ndarray] = None


@dataclass
class Report:
    """The findings of :func:`prepare_data`.

    Attributes:
        name (str): Data set.
        root (Path): The ``data_root`` for configs.
        how_to_get (str): Where to get the data and where to put it.
        splits (dict[str, Split]): What is there.
        problems (dict[str, list[str]]): What is missing or wrong, by kind, one line each.
        classes (list[str]): Class names.
        class_counts (np.ndarray, optional): Training images of each class (of the long-tailed
            set if an imbalance was asked for), shape (C, ).
        notes (list[str]): What else is worth knowing.
        counts_file (Path, optional): The JSON of the class counts, once written.
    """

    name: str
    root: Path
    how_to_get: str = ''
    splits: Dict[str, Split] = field(default_factory=dict)
    problems: Dict[str, List[str]] = field(default_factory=dict)
    classes: List[str] = field(default_factory=list)
    class_counts: Optional[np.ndarray] = None
    notes: List[str] = field(default_factory=list)
    counts_file: Optional[Path] = None

    @property
    def ok(self) -> bool:
        """Whether nothing is missing or wrong."""
        return not self.problems

    @property
    def num_problems(self) -> int:
        """Number of single findings."""
        return sum(map(len, self.problems.values()))

    def add(self, kind: str, *messages: str) -> None:
        """Note problems of a kind."""
        if messages:
            self.problems.setdefault(kind, []).extend(messages)

    def write_counts(self, path: Path) -> None:
        """Write the class counts to a JSON file that ``class_counts='path'`` reads.

        Raises:
            InputError: If there are problems: the counts of a damaged set are no result.
            OSError: If the file can not be written.
        """
        if not self.ok or self.class_counts is None:
            raise InputError(f'{self.name} has problems: its class counts are not written')
        data = dict(
            name=self.name,
            class_counts=self.class_counts.tolist(),
            classes=self.classes,
            splits={name: split.images for name, split in self.splits.items()},
        )
        text = json.dumps(data, indent=1, ensure_ascii=False) + '\n'
        with replacing(path) as unfinished:
            unfinished.write_text(text, encoding='utf-8', errors=ANY_NAME)
        self.counts_file = path

    def render(self, console: Console, max_shown: int = 5) -> None:
        """Print the findings, at most ``max_shown`` lines of each kind."""
        if self.splits:
            table = Table(title=escape(f'{self.name} in {self.root}'), title_justify='left')
            for column in ('split', 'images', 'published', 'classes', 'most', 'fewest'):
                table.add_column(column, justify='left' if column == 'split' else 'right')
            for name, split in self.splits.items():
                counts = split.counts
                table.add_row(
                    name,
                    f'{split.images:,}',
                    '' if split.published is None else f'{split.published:,}',
                    *(
                        ('', '', '')
                        if counts is None or not len(counts)
                        else (
                            str(np.count_nonzero(counts)),
                            f'{counts.max():,}',
                            f'{counts.min():,}',
                        )
                    ),
                )
            console.print(table)
        for note in self.notes:
            console.print(escape(note), soft_wrap=True, highlight=False)
        for kind, messages in self.problems.items():
            console.print(f'[red]{escape(kind)}[/red]: {len(messages):,}', highlight=False)
            for message in messages[:max_shown]:
                console.print(f'  {escape(message)}', soft_wrap=True, highlight=False)
            if len(messages) > max_shown:
                console.print(f'  ... and {len(messages) - max_shown:,} more', highlight=False)
        if self.ok:
            if self.class_counts is not None:
                groups = shot_groups(self.class_counts)
                sizes = '/'.join(str(len(groups[g])) for g in ('many', 'medium', 'few'))
                console.print(
                    f'Training images: {self.class_counts.sum():,}; '
                    f'many/medium/few-shot classes: {sizes}',
                    highlight=False,
                )
            if self.counts_file is not None:
                console.print(
                    escape(f'Class counts written to {self.counts_file}'),
                    soft_wrap=True,
                    highlight=False,
                )
            console.print(
                f'[green]{self.name} is ready[/green]: data_root = {escape(repr(str(self.root)))}'
            )
        else:
            console.print(f'\n[bold]How to get {self.name}[/bold]')
            console.print(escape(self.how_to_get), soft_wrap=True, highlight=False)
            console.print(
                f'\n[red]{self.name} is not ready[/red]: {self.num_problems:,} problems; '
                'no class counts were written',
                highlight=False,
            )
