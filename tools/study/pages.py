"""Makes every figure of docs/results.md from the files in docs/results/, none typed by hand.

README.md has a table of them, too, and docs/images/ a picture. A page holds its text; between
``<!-- table: NAME ARGUMENTS -->`` and ``<!-- end -->`` stands what the function of that name in
:data:`TABLES` makes.
"""

import re
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

from rcl_mm.runtime.errors import UsageError
from rcl_mm.runtime.files import replacing
from study import figures as figures_study
from study import sweep_tables
from study import tables as study_tables
from study.ablation import digits_ablation_tables
from study.markdown_table import markdown_table
from study.records import unpack_records
from study.run import ROOT
from study.run_files import read_json

PAGES = (ROOT / 'docs' / 'results.md', ROOT / 'README.md')
FOLDER = ROOT / 'docs' / 'results'
MARKER = re.compile(r'(<!-- table: (?P<call>[^>]+?) -->\n).*?(<!-- end -->)', re.DOTALL)

TABLES: Dict[str, Callable[..., Optional[str]]] = {
    'provenance': study_tables.provenance_table,
    'balanced': study_tables.balanced_table,
    'means': study_tables.means_of,
    'headline': study_tables.headline_of,
    'differences': study_tables.differences_of,
    'findings': study_tables.findings,
    'picture': figures_study.picture_of,
    'sweep': sweep_tables.sweep_table,
    'beta': sweep_tables.beta_table,
    'prior': sweep_tables.prior_table,
    'chosen': sweep_tables.chosen_settings,
    'ablation': lambda records: digits_ablation_tables(records).strip(),
}
# What makes the results of a part, for a part that has none yet.
COMMANDS = {
    'sweep': 'make study',
    'digits': 'make study',
    'ablation': 'make ablation',
    'cifar': 'python tools/study.py --part cifar',
    'cifar-sweep': 'python tools/study.py --part cifar-sweep cifar-full',
    'cifar-full': 'python tools/study.py --part cifar-sweep cifar-full',
}


def read_results_folder(folder: Path = FOLDER) -> Dict[str, Any]:
    """All results of the repository.

    Returns:
        dict: ``records`` by part of the study, and ``published`` figures.

    Raises:
        UsageError: If a file can not be read or two hold the same run.
    """
    records: Dict[str, List[Dict[str, Any]]] = {}
    published: Dict[str, Any] = {}
    seen: Dict[str, str] = {}
    for path in sorted(folder.glob('*.json')):
        document = read_json(path)
        if document is None:
            raise UsageError(f'"{path}" is not valid JSON: make it again with tools/study.py')
        if document.get('kind') == 'published':
            published = document
            continue
        for record in unpack_records(document):
            name = record['name']
            if name in seen:
                raise UsageError(f'run {name} is in both {seen[name]} and {path.name}: one must go')
            seen[name] = path.name
            record['file'] = path.name
            records.setdefault(record['factors']['part'], []).append(record)
    return {'records': records, 'published': published}


def fill_tables(text: str, results: Dict[str, Any]) -> str:
    """The page with every table made anew.

    Raises:
        UsageError: If a marker names no known table.
    """

    def fill(match: re.Match) -> str:
        name, *arguments = match['call'].split()
        if name == 'published':
            return f'{match[1]}{published_table(results["published"])}\n{match[3]}'
        if name not in TABLES:
            allowed = ', '.join([*TABLES, 'published'])
            raise UsageError(f'table "{match["call"]}" is unknown, allowed are {allowed}')
        part, *rest = arguments
        records = results['records'].get(part)
        made = TABLES[name](records, *rest) if records else None
        if made is None:
            command = COMMANDS.get(part, 'make study')
            made = f'*Not measured yet: `{command}`, then `tools/study.py collect`.*'
        return f'{match[1]}{made}\n{match[3]}'

    return MARKER.sub(fill, text)


def published_table(published: Dict[str, Any]) -> str:
    """Figures of other projects, each with its source."""
    if not published:
        return '*None.*'
    sources = published['sources']
    rows = []
    for figure in published['figures']:
        source = sources[figure['method']]
        epochs = str(figure['epochs']) if figure['epochs'] else '-'
        method = figure['method'] + (f' ({figure["note"]})' if figure.get('note') else '')
        paper = f'[{source["paper"]}]({source["url"]})'
        rows.append([figure['benchmark'], figure['backbone'], method, paper, epochs])
        rows[-1].append(f'{figure["top1"]:.1f}')
    header = ['benchmark', 'backbone', 'method', 'source', 'epochs', 'top-1']
    return markdown_table(header, rows, text_columns=4)


def update_results(
    check: bool = False, pages: Sequence[Path] = PAGES, folder: Path = FOLDER
) -> None:
    """Make the tables of the pages anew.

    Args:
        check (bool): Only see whether they are current. Defaults to False.

    Raises:
        UsageError: With ``check``, if they are not.
    """
    results = read_results_folder(folder)
    for page in pages:
        old = page.read_text('utf-8')
        new = fill_tables(old, results)
        if check and new != old:
            raise UsageError(f'{page} is not current: python tools/study.py tables')
        if new != old:
            page.write_text(new, 'utf-8')
        made = 'are current' if new == old else 'made'
        print(f'{page}: {len(MARKER.findall(new))} tables {made}')
        if any(match['call'].startswith('picture ') for match in MARKER.finditer(new)):
            picture = page.parent / figures_study.PLACE
            update_picture(results['records'].get('digits', []), check, picture)


def update_picture(records: Sequence[Dict[str, Any]], check: bool, path: Path) -> None:
    """Draw the picture of the study anew if it shows other figures.

    Raises:
        UsageError: With ``check``, if it does.
    """
    differences = figures_study.pictured_differences(records)
    if not differences or figures_study.is_drawn(differences, path):
        return
    if check:
        raise UsageError(f'{path} is not current: python tools/study.py tables')
    with replacing(path) as unfinished:
        unfinished.write_bytes(figures_study.differences_panel(differences).png)
    print(f'{path}: drawn')
