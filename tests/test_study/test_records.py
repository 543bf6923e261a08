"""Many results in one file and back."""

import json

import pytest
from study.records import collect, find_records, pack_records, read_records, restore
from study.run import Run
from study.run_files import RESULT_NAME, write_json

from rcl_mm.runtime.errors import UsageError

from .synthetic_records import record_of


@pytest.fixture
def work_dir(tmp_path):
    """Three finished runs, one of them elsewhere, and one that failed."""
    options = [{'a.b': 1}, {'a.b': 1}, {'a.b': [dict(type='X')]}]
    for seed, chosen in enumerate(options):
        metrics = {'long_tail/top1': 80.123456 + seed, 'long_tail/ece': None}
        if seed == 2:
            metrics['long_tail/few'] = 7.0
        factors = {'method': 'other' if seed == 2 else 'm'}
        run = Run(f'method/seed{seed}', 'configs/x.py', seed, chosen, factors)
        device = 'another' if seed == 2 else 'one'
        write_json(tmp_path / run.name / RESULT_NAME, record_of(run, metrics, device=device))
    write_json(tmp_path / 'method' / 'seed9' / 'failure.json', {'error': 'ValueError'})
    return tmp_path


def expected(work_dir) -> list:
    records = find_records(work_dir)
    for record in records:
        metrics = record['metrics'].items()
        record['metrics'] = {k: round(v, 4) for k, v in metrics if v is not None}
    return records


def test_collect_and_read_back(work_dir) -> None:
    output = work_dir / 'docs' / 'results.json'
    assert collect(work_dir, output) == 3
    records = read_records(output)
    key = str  # the order of keys does not matter
    assert [sorted(r.items(), key=key) for r in records] == [
        sorted(r.items(), key=key) for r in expected(work_dir)
    ]
    assert records[0]['metrics'] == {'long_tail/top1': 80.1235}


def test_what_records_share_is_written_once(work_dir) -> None:
    document = pack_records(find_records(work_dir))
    assert 'versions' in document['shared'] and 'device' not in document['shared']
    assert len(document['option_sets']) == 2
    assert [record['options'] for record in document['records']] == [0, 0, 1]
    assert document['records'][0]['metrics'] == [None, None, 80.1235]
    assert 'versions' not in document['records'][0]


def test_one_line_a_record(work_dir) -> None:
    collect(work_dir, work_dir / 'all.json')
    text = (work_dir / 'all.json').read_text()
    assert text.count('"name"') == 3 == sum('"name"' in line for line in text.splitlines())
    json.loads(text)


def test_restore_lets_an_experiment_go_on(work_dir, tmp_path_factory) -> None:
    collect(work_dir, work_dir / 'all.json')
    other = tmp_path_factory.mktemp('other')
    write_json(other / 'method' / 'seed0' / RESULT_NAME, {'mine': True})
    assert restore(work_dir / 'all.json', other) == 3
    # What is there already is left alone.
    assert json.loads((other / 'method' / 'seed0' / RESULT_NAME).read_text()) == {'mine': True}
    assert json.loads((other / 'method' / 'seed1' / RESULT_NAME).read_text())['seed'] == 1


@pytest.mark.parametrize(
    ('config', 'options', 'said'),
    [
        ('configs/x.py', {'a.b': 2}, r'differ in a\.b \(1 and 2\)'),
        ('configs/x.py', {}, r'differ in a\.b \(1 and –\)'),
        ('configs/y.py', {'a.b': 1}, 'differ in config'),
    ],
)
def test_seeds_of_a_row_have_one_setting(work_dir, config, options, said) -> None:
    run = Run('method/seed3', config, 3, options, {'method': 'm'})
    write_json(work_dir / run.name / RESULT_NAME, record_of(run))
    with pytest.raises(UsageError, match=f'method/seed0 and method/seed3 .* {said}'):
        collect(work_dir, work_dir / 'all.json')
    assert not (work_dir / 'all.json').exists()


def test_nothing_to_collect(tmp_path) -> None:
    with pytest.raises(UsageError, match='has no result.json'):
        collect(tmp_path, tmp_path / 'all.json')
    assert not (tmp_path / 'all.json').exists()


@pytest.mark.parametrize('text', ['{"format": 99, "records": []}', '{"format": 1}'])
def test_other_formats_are_refused(tmp_path, text) -> None:
    (tmp_path / 'x.json').write_text(text)
    with pytest.raises(UsageError, match='format'):
        read_records(tmp_path / 'x.json')


def test_missing_file(tmp_path) -> None:
    with pytest.raises(UsageError, match='does not exist'):
        read_records(tmp_path / 'x.json')
