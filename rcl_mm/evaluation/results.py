"""The results of one test: per class for people, per sample for the report.

``results.json`` holds metrics, the per-class table, calibration bins and the confusion matrix;
``results.npz`` beside it holds what the report draws from and a table can not hold: a few numbers
per test image, class means, features of some samples, example images.
"""

import csv
import json
from pathlib import Path
from typing import Any, Dict, Optional, Union
from zipfile import BadZipFile

import numpy as np

from rcl_mm.errors import InputError
from rcl_mm.evaluation.result_tables import (
    FeatureSpace,
    Results,
    calibration,
    confusion_matrix,
    finite_or_none,
    per_class_table,
)
from rcl_mm.runtime.files import replacing

FORMAT = 1
JSON_NAME = 'results.json'
SUFFIXES = ('.json', '.csv')


class ResultsError(InputError):
    """Results that are missing, unreadable or of another kind, in one sentence for the user."""


def results_document(results: Results) -> Dict[str, Any]:
    """The contents of ``results.json``."""
    return {
        'format': FORMAT,
        'metrics': {name: finite_or_none(value) for name, value in results.metrics.items()},
        'run': results.run,
        'num_samples': len(results.target),
        'num_classes': results.num_classes,
        'fingerprint': results.fingerprint,
        'thresholds': {'many': results.many, 'few': results.few},
        'per_class': per_class_table(results),
        'feature_space': results.diagnostics,
        'calibration': calibration(results),
        'confusion': confusion_matrix(results),
    }


def is_results_path(path: Optional[Union[str, Path]]) -> bool:
    """Whether a path is one that :func:`write_results` writes."""
    return path is not None and Path(path).suffix in SUFFIXES


def write_results(path: Union[str, Path], results: Results) -> None:
    """Write results as JSON, with the arrays in an .npz beside it, or the table as CSV.

    Args:
        path (str | Path): ``*.json`` or ``*.csv``. Missing folders are made.
        results (Results): What to write.

    Raises:
        InputError: If the suffix is another one.
    """
    path = Path(path)
    if not is_results_path(path):
        raise InputError(f'results can be written to .json or .csv, got "{path}"')
    if path.suffix == '.csv':
        rows = per_class_table(results)
        with replacing(path) as unfinished:
            with unfinished.open('w', newline='', encoding='utf-8') as file:
                writer = csv.DictWriter(file, fieldnames=list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        return
    text = json.dumps(results_document(results), allow_nan=False)
    # The arrays first: where the document is, they are.
    with replacing(path.with_suffix('.npz')) as unfinished:
        np.savez_compressed(unfinished, **_arrays(results))
    with replacing(path) as unfinished:
        unfinished.write_text(text, 'utf-8')


def read_results(path: Union[str, Path]) -> Results:
    """Read results written by :func:`write_results`.

    Args:
        path (str | Path): The JSON file, or a work dir that holds ``results.json``.

    Raises:
        ResultsError: If there are none, or they can not be read.
    """
    path = Path(path)
    if path.is_dir():
        path = path / JSON_NAME
    if not path.is_file():
        raise ResultsError(
            f'"{path.parent}" has no {path.name}: run tools/test.py CONFIG CHECKPOINT '
            f'--work-dir {path.parent} first'
        )
    arrays_path = path.with_suffix('.npz')
    try:
        document = json.loads(path.read_text('utf-8'))
        if document.get('format') != FORMAT:
            raise ResultsError(
                f'"{path}" has format {document.get("format")!r}, known is {FORMAT}: run '
                'tools/test.py again'
            )
        with np.load(arrays_path, allow_pickle=False) as file:
            arrays = dict(file)
        return _from_document(document, arrays)
    except FileNotFoundError:
        raise ResultsError(f'"{arrays_path}" is missing: run tools/test.py again') from None
    except ResultsError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, EOFError, BadZipFile) as error:
        raise ResultsError(
            f'"{path}" or the .npz beside it can not be read ({type(error).__name__}: {error}): '
            'run tools/test.py again'
        ) from None


def _arrays(results: Results) -> Dict[str, np.ndarray]:
    """The arrays of ``results.npz``: plain numpy, nothing that needs pickle."""
    arrays = {
        'target': results.target.astype(np.int32),
        'predicted': results.predicted.astype(np.int32),
        'confidence': results.confidence.astype(np.float32),
        'margin': results.margin.astype(np.float32),
        'indices': results.indices.astype(np.int64),
    }
    for name, space in results.spaces.items():
        for key, value in vars(space).items():
            arrays[f'{name}.{key}'] = value
    for position, image in results.thumbnails.items():
        arrays[f'thumbnail.{position}'] = image
    return arrays


def _from_document(document: Dict[str, Any], arrays: Dict[str, np.ndarray]) -> Results:
    rows = document['per_class']
    counts = [row['train_count'] for row in rows]
    spaces: Dict[str, Dict[str, np.ndarray]] = {}
    thumbnails = {}
    for key, value in arrays.items():
        owner, _, name = key.partition('.')
        if owner == 'thumbnail':
            thumbnails[int(name)] = value
        elif name:
            spaces.setdefault(owner, {})[name] = value
    return Results(
        classes=[row['class'] for row in rows],
        train_counts=None if None in counts else np.array(counts, dtype=np.int64),
        many=document['thresholds']['many'],
        few=document['thresholds']['few'],
        spaces={name: FeatureSpace(**values) for name, values in spaces.items()},
        diagnostics=document['feature_space'],
        metrics=document['metrics'],
        run=document['run'],
        thumbnails=thumbnails,
        **{
            name: arrays[name]
            for name in ('target', 'predicted', 'confidence', 'margin', 'indices')
        },
    )
