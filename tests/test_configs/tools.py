"""Run a tool of ``tools/`` by its command line, in this process: torch is imported only once."""

import itertools
import os
import runpy
import sys
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).parents[2]
_numbers = itertools.count()


def run_tool(tool: str, *arguments: object, options: dict) -> None:
    """Run ``python tools/<tool>.py <arguments> --cfg-options <options>``; it must exit with 0."""
    command = [f'tools/{tool}.py', *map(str, arguments)]
    # MMEngine keeps loggers by experiment and second: each run gets a name of its own.
    options = {**options, 'experiment_name': f'configs{next(_numbers)}'}
    command += ['--cfg-options', *(f'{key}={value}' for key, value in options.items())]
    with mock.patch.object(sys, 'argv', command), mock.patch.dict(os.environ):
        try:
            runpy.run_path(str(ROOT / 'tools' / f'{tool}.py'), run_name='__main__')
        except SystemExit as end:
            assert end.code in (0, None), f'{" ".join(command)} exited with {end.code}'
