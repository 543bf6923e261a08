"""Tables over methods: which runs are averaged, and which make a pair."""

import pytest
from study.comparison import (
    compare,
    differences_table,
    markdown_table,
    means_table,
    metric_of,
    rows_document,
)

from .synthetic_records import make_record


def table() -> list:
    """BCL: 80, 82, 84; RCL one better each time."""
    records = [make_record('BCL', seed, 80 + 2 * seed) for seed in range(3)]
    return records + [make_record('RCL', seed, 81 + 2 * seed) for seed in (2, 0, 1)]


def test_means_and_paired_differences() -> None:
    bcl, rcl = compare(table(), metrics=['balanced'], baseline='BCL')
    assert (bcl.label, bcl.runs, bcl.means['balanced'].mean) == ('BCL', 3, 82)
    assert bcl.differences == {}
    assert rcl.means['balanced'].mean == 83
    # Seeds differ by two points, methods by one in each seed: only pairs show it exactly.
    assert rcl.differences['balanced'].mean == 1 and rcl.differences['balanced'].half_width == 0
    assert rcl.means['balanced'].half_width > 4


def test_only_the_same_seed_makes_a_pair() -> None:
    records = [make_record('BCL', seed, 80 + 2 * seed) for seed in range(3)]
    records += [make_record('RCL', seed, 81 + 2 * seed) for seed in (1, 2, 7)]
    rcl = compare(records, metrics=['balanced'], baseline='BCL')[1]
    assert rcl.runs == 3 and rcl.differences['balanced'].n == 2
    assert rcl.differences['balanced'].mean == 1


def test_other_factors_must_agree_too() -> None:
    records = [
        make_record('BCL', 0, 80, imbalance=10),
        make_record('BCL', 0, 60, imbalance=100),
        make_record('RCL', 0, 83, imbalance=10),
        make_record('RCL', 0, 65, imbalance=100),
    ]
    rcl = compare(records, metrics=['balanced'], baseline='BCL')[1]
    assert rcl.differences['balanced'].n == 2 and rcl.differences['balanced'].mean == 4


def test_a_metric_that_a_run_lacks_is_left_out() -> None:
    records = table()
    records[0]['metrics'] = {}
    bcl, rcl = compare(records, metrics=['balanced', 'few'], baseline='BCL')
    assert bcl.runs == 3 and bcl.means['balanced'].n == 2
    assert rcl.differences['balanced'].n == 2
    assert 'few' not in bcl.means and 'few' not in means_table([bcl, rcl], ['balanced', 'few'])


def test_the_same_run_twice_is_refused() -> None:
    with pytest.raises(ValueError, match='same factors and seed'):
        compare([*table(), make_record('RCL', 0, 99)])


def test_unknown_baseline_is_refused() -> None:
    with pytest.raises(ValueError, match="baseline is 'SupCon', allowed are BCL, RCL"):
        compare(table(), baseline='SupCon')


def test_order_of_rows() -> None:
    rows = compare(table(), order=['cross-entropy', 'RCL'])
    assert [row.label for row in rows] == ['RCL', 'BCL']


def test_metric_of_looks_under_both_prefixes() -> None:
    record = {'metrics': {'long_tail/few': 3.0, 'feature_space/compactness': 0.5}}
    assert metric_of(record, 'few') == 3.0 and metric_of(record, 'compactness') == 0.5
    assert metric_of(record, 'worst') is None


def test_markdown() -> None:
    assert markdown_table(['a', 'bb'], [['long', '1']]).splitlines() == [
        '| a    | bb |',
        '| ---- | -: |',
        '| long |  1 |',
    ]
    rows = compare(table(), metrics=['balanced'], baseline='BCL')
    means = means_table(rows, ['balanced'])
    assert '| 82.0 ± 5.0 |' in means and '|    3 |' in means
    differences = differences_table(rows, ['balanced'], 'BCL')
    assert differences.splitlines()[2:] == ['| RCL       | +1.0 ± 0.0 |']
    assert rows_document(rows)[1]['differences']['balanced']['n'] == 3
