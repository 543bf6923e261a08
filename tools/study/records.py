"""Many results in one file, small enough for a repository, and back."""

import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from rcl_mm.report.config_diff import config_differences
from rcl_mm.runtime.errors import UsageError
from rcl_mm.runtime.files import replacing
from study.run import FORMAT
from study.run_files import RESULT_NAME, read_json, write_json

# Written once where all records agree.
SHARED = ('format', 'versions', 'commit', 'device', 'threads')


def find_records(work_dir: Path) -> List[Dict[str, Any]]:
    """All results below a folder, by name.

    Raises:
        UsageError: If there is none.
    """
    work_dir = Path(work_dir)
    records = [read_json(path) for path in sorted(work_dir.rglob(RESULT_NAME))]
    records = [record for record in records if record is not None]
    if not records:
        raise UsageError(f'"{work_dir}" has no {RESULT_NAME}: give the work dir of an experiment')
    return records


def require_one_setting_a_row(records: Sequence[Dict[str, Any]]) -> None:
    """A row of a table is one setting with several seeds: anything else has no mean.

    Raises:
        UsageError: If runs of equal factors and split differ in config or options.
    """
    rows: Dict[str, Dict[str, Any]] = {}
    for record in records:
        row = json.dumps([record['factors'], record['split']], sort_keys=True)
        first = rows.setdefault(row, record)
        settings = [{'config': one['config'], **one['options']} for one in (first, record)]
        differences = config_differences(settings)
        if differences:
            path, (one, other) = differences[0]
            raise UsageError(
                f'runs {first["name"]} and {record["name"]} are seeds of one row but differ in '
                f'{path} ({one} and {other}): run one of them again with the settings of the other'
            )


def pack_records(records: Sequence[Dict[str, Any]]) -> Dict[str, Any]:
    """One document of all records: what they share once, each distinct set of options once.

    Metrics are lists in the order of ``metric_names``, None for what a record does not have.
    """
    shared = {
        key: records[0][key]
        for key in SHARED
        if all(record.get(key) == records[0].get(key) for record in records)
    }
    option_sets: List[Dict[str, Any]] = []
    numbers: Dict[str, int] = {}
    packed = []
    names = sorted({name for record in records for name in record['metrics']})
    for record in records:
        text = json.dumps(record['options'], sort_keys=True)
        if text not in numbers:
            numbers[text] = len(option_sets)
            option_sets.append(record['options'])
        rest = {key: value for key, value in record.items() if key not in shared}
        rest['options'] = numbers[text]
        rest['metrics'] = [_rounded(record['metrics'].get(name)) for name in names]
        packed.append(rest)
    return {
        'format': FORMAT,
        'shared': shared,
        'metric_names': names,
        'option_sets': option_sets,
        'records': packed,
    }


def unpack_records(document: Dict[str, Any]) -> List[Dict[str, Any]]:
    """The records of a document of :func:`pack_records`.

    Raises:
        UsageError: If it is of another format.
    """
    if document.get('format') != FORMAT or 'records' not in document:
        raise UsageError(
            f'results have format {document.get("format")!r}, known is {FORMAT}: make them with '
            'tools/study.py collect'
        )
    names, options = document['metric_names'], document['option_sets']
    records = []
    for record in document['records']:
        values = zip(names, record['metrics'])
        metrics = {name: value for name, value in values if value is not None}
        changes = {'metrics': metrics, 'options': options[record['options']]}
        records.append({**document['shared'], **record, **changes})
    return records


def collect(work_dir: Path, output: Path) -> int:
    """Write all results below a folder into one file; returns how many.

    Raises:
        UsageError: If there is none, or seeds of one row have different settings.
    """
    records = find_records(work_dir)
    require_one_setting_a_row(records)
    document = pack_records(records)
    lines = [
        f'"{key}": {json.dumps(document[key])}' for key in ('format', 'shared', 'metric_names')
    ]
    for key in ('option_sets', 'records'):
        # A line each, for readable differences.
        items = ',\n'.join(json.dumps(item) for item in document[key])
        lines.append(f'"{key}": [\n{items}\n]')
    with replacing(output) as unfinished:
        unfinished.write_text('{\n' + ',\n'.join(lines) + '\n}\n', 'utf-8')
    return len(records)


def read_records(path: Path) -> List[Dict[str, Any]]:
    """The records of a collected file.

    Raises:
        UsageError: If it does not exist or is of another format.
    """
    document = read_json(Path(path))
    if document is None:
        raise UsageError(f'"{path}" does not exist or is cut short: give a file of collect')
    return unpack_records(document)


def restore(path: Path, work_dir: Path) -> int:
    """Put collected results back into run folders, so that an experiment goes on elsewhere."""
    records = read_records(path)
    for record in records:
        target = Path(work_dir) / record['name'] / RESULT_NAME
        if not target.exists():
            write_json(target, record)
    return len(records)


def _rounded(value: Optional[float]) -> Optional[float]:
    return None if value is None else round(value, 4)
