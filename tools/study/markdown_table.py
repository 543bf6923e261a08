"""The one way in which the tools write a table in Markdown."""

from typing import Any, Iterable, Sequence

from tabulate import tabulate


def markdown_table(
    header: Sequence[str], rows: Iterable[Sequence[Any]], text_columns: int = 1
) -> str:
    """A table in Markdown that can be read as it is.

    Args:
        header (Sequence[str]): Names of the columns.
        rows (Iterable[Sequence]): Cells, written as they are.
        text_columns (int): How many columns, from the left, are text; the others hold figures and
            are set to the right. Defaults to 1.
    """
    sides = ['left' if i < text_columns else 'right' for i in range(len(header))]
    return tabulate(list(rows), header, 'pipe', disable_numparse=True, colalign=sides)
