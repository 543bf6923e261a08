"""The report: one HTML page without other files, and its pictures as PNG files beside it."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Dict, List, Sequence, Union

from jinja2 import Environment, PackageLoader, StrictUndefined

from rcl_mm.errors import InputError
from rcl_mm.evaluation.feature_accumulator import SPACES
from rcl_mm.evaluation.results import ResultsError
from rcl_mm.report import figures_accuracy, figures_confusion, figures_features
from rcl_mm.report import tables as report_tables
from rcl_mm.report.figure_style import Panel
from rcl_mm.report.figures_training import training_panels
from rcl_mm.report.methods import Method, load_methods
from rcl_mm.text_files import ANY_NAME
from rcl_mm.version import __version__

ROWS_SHOWN = 200
# 255 bytes are allowed, and a character has up to four.
FILE_NAME_LENGTH = 60


def write_report(work_dirs: Sequence[str], out: Union[str, Path], space: str = 'feature') -> Path:
    """Write ``out/index.html`` and the figures.

    Args:
        work_dirs (Sequence[str]): ``WORK_DIR`` or ``NAME=WORK_DIR``, see :func:`load_methods`. The
            first is compared with each other one.
        out (str | Path): Folder for the report; made if missing.
        space (str): 'feature', what the classifier scores, or 'embedding'. Defaults to 'feature'.

    Returns:
        Path: The page.

    Raises:
        ResultsError: If there is nothing to report, or the runs can not be compared.
        InputError: If the space is unknown.
    """
    if space not in SPACES:
        raise InputError(f'space is {space!r}, allowed are {", ".join(SPACES)}')
    methods, notes = load_methods(work_dirs)
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise ResultsError(f'"{out}" is a file: give a folder for the report')
    content = report_content(methods, notes, space)
    out.mkdir(parents=True, exist_ok=True)
    for name, panel in file_names(content['panels']).items():
        (out / f'{name}.png').write_bytes(panel.png)
    page = out / 'index.html'
    page.write_text(render(content), 'utf-8', errors=ANY_NAME)
    return page


def file_names(panels: Sequence[Panel]) -> Dict[str, Panel]:
    """Panels by a name that every file system takes, each by another."""
    named: Dict[str, Panel] = {}
    for panel in panels:
        name = re.sub(r'[^\w.+-]', '_', panel.name)[:FILE_NAME_LENGTH]
        same = sum(other == name or other.startswith(f'{name}~') for other in named)
        named[f'{name}~{same}' if same else name] = panel
    return named


def report_content(methods: List[Method], notes: List[str], space: str) -> Dict[str, Any]:
    """All that the template shows."""
    tested = [method for method in methods if method.results]
    content: Dict[str, Any] = {
        'title': ' against '.join(method.name for method in methods),
        'methods': methods,
        'notes': list(notes),
        'training': training_panels(methods),
        'config': report_tables.config_table(methods),
        'provenance': report_tables.provenance_rows(methods),
        'tested': False,
    }
    if tested:
        content.update(_tested_content(tested, content['notes'], space))
    content['panels'] = _all_panels(content)
    return content


def _tested_content(methods: List[Method], notes: List[str], space: str) -> Dict[str, Any]:
    results = methods[0].results[0]
    counted = [m for m in methods if m.results[0].train_counts is not None]
    overview = [figures_accuracy.group_panel(methods)]
    if counted:
        overview.append(figures_accuracy.frequency_panel(counted))
    errors = [figures_accuracy.margin_panel(methods), figures_accuracy.calibration_panel(methods)]
    return {
        'tested': True,
        'results': results,
        'metrics': report_tables.metric_table(methods),
        'groups': report_tables.group_sizes(methods),
        'overview': overview,
        'features': _feature_content(methods, notes, space),
        'errors': [panel for panel in errors if panel is not None],
        'confusions': [
            {
                'name': method.name,
                'panel': figures_confusion.confusion_panel(method),
                'cards': figures_confusion.example_cards(method),
            }
            for method in methods
        ],
        'comparisons': [report_tables.comparison(methods[0], other) for other in methods[1:]],
        'classes': report_tables.class_table(methods),
        'rows_shown': ROWS_SHOWN,
    }


def _feature_content(methods: List[Method], notes: List[str], space: str) -> Dict[str, Any]:
    """Figures of the feature space, for the methods whose results hold it."""
    with_space = [method for method in methods if space in method.results[0].spaces]
    for method in methods:
        if method not in with_space:
            notes.append(f'The results of {method.name} hold no {space}s: nothing to show of them.')
    if not with_space:
        return {}
    maps = [figures_features.map_panel(method, space) for method in with_space]
    matrices = figures_features.matrix_panels(with_space, space)
    counted = [m for m in with_space if m.results[0].train_counts is not None]
    per_class = figures_features.class_geometry_panels(counted, space) if counted else []
    return {
        'space': space,
        'maps': [panel for panel in maps if panel is not None],
        'matrices': matrices,
        'per_class': per_class,
        'diagnostics': report_tables.diagnostics_table(with_space, space),
    }


def _all_panels(content: Dict[str, Any]) -> List[Panel]:
    panels = list(content['training'])
    if content['tested']:
        panels += content['overview'] + content['errors']
        for name in ('maps', 'matrices', 'per_class'):
            panels += content['features'].get(name, [])
        panels += [one['panel'] for one in content['confusions'] + content['comparisons']]
    return panels


def render(content: Dict[str, Any]) -> str:
    """The page as HTML; everything from outside is escaped."""
    environment = Environment(
        loader=PackageLoader('rcl_mm.report'),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters['figure'] = _figure
    template = environment.get_template('report.html.j2')
    time = datetime.now(UTC).strftime('%Y-%m-%d %H:%M UTC')
    return template.render(**content, version=__version__, time=time)


def _figure(value: Any, digits: int = 1) -> str:
    """A number of a table; a dash where there is none."""
    if value is None:
        return '–'
    return f'{value:.{digits}f}' if isinstance(value, float) else str(value)
