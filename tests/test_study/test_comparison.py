"""Tables over methods: which runs are averaged, and which make a pair."""

import pytest
from study.comparison import compare, differences_table, means_table, run_frame
from study.markdown_table import markdown_table

from .synthetic_records import make_record


def table() -> list:
    """BCL: 80, 82, 84; RCL one better each time."""
    records = [make_record('BCL', seed, 80 + 2 * seed) for seed in range(3)]
    return records + [make_record('RCL', seed, 81 + 2 * seed) for seed in (2, 0, 1)]


def test_means_and_paired_differences() -> None:
    found = compare(table(), metrics=['balanced'], baseline='BCL')
    assert found.runs.to_dict() == {'BCL': 3, 'RCL': 3}
    assert [estimate.mean for estimate in found.means['balanced']] == [82, 83]
    assert list(found.differences.index) == ['RCL']
    # Seeds differ by two points, methods by one in each seed: only pairs show it exactly.
    difference = found.differences.loc['RCL', 'balanced']
    assert difference.mean == 1 and difference.half_width == 0
    assert found.means.loc['RCL', 'balanced'].half_width > 4


def test_only_the_same_seed_makes_a_pair() -> None:
    records = [make_record('BCL', seed, 80 + 2 * seed) for seed in range(3)]
    records += [make_record('RCL', seed, 81 + 2 * seed) for seed in (1, 2, 7)]
    found = compare(records, metrics=['balanced'], baseline='BCL')
    assert found.runs['RCL'] == 3
    difference = found.differences.loc['RCL', 'balanced']
    assert (difference.n, difference.mean) == (2, 1)


def test_other_factors_must_agree_too() -> None:
    records = [
        make_record('BCL', 0, 80, imbalance=10),
        make_record('BCL', 0, 60, imbalance=100),
        make_record('RCL', 0, 83, imbalance=10),
        make_record('RCL', 0, 65, imbalance=100),
    ]
    difference = compare(records, metrics=['balanced'], baseline='BCL').differences
    assert (difference.loc['RCL', 'balanced'].n, difference.loc['RCL', 'balanced'].mean) == (2, 4)


def test_a_factor_that_only_some_runs_have() -> None:
    records = [make_record('BCL', 0, 80), make_record('RCL', 0, 83, imbalance=10)]
    records.append(make_record('RCL', 0, 85))
    difference = compare(records, metrics=['balanced'], baseline='BCL').differences
    assert (difference.loc['RCL', 'balanced'].n, difference.loc['RCL', 'balanced'].mean) == (1, 5)


def test_a_metric_that_a_run_lacks_is_left_out() -> None:
    records = table()
    records[0]['metrics'] = {}
    found = compare(records, metrics=['balanced', 'few'], baseline='BCL')
    assert found.runs['BCL'] == 3 and found.means.loc['BCL', 'balanced'].n == 2
    assert found.differences.loc['RCL', 'balanced'].n == 2
    assert 'few' not in found.means and 'few' not in means_table(found, ['balanced', 'few'])


def test_the_same_run_twice_is_refused() -> None:
    with pytest.raises(ValueError, match='same factors and seed'):
        compare([*table(), make_record('RCL', 0, 99)])


def test_unknown_baseline_is_refused() -> None:
    with pytest.raises(ValueError, match="baseline is 'SupCon', allowed are BCL, RCL"):
        compare(table(), baseline='SupCon')


def test_order_of_rows() -> None:
    found = compare(table(), order=['cross-entropy', 'RCL'])
    assert list(found.runs.index) == list(found.means.index) == ['RCL', 'BCL']


def test_metrics_are_found_under_both_prefixes_the_first_first() -> None:
    record = make_record('RCL', 0, 80)
    record['metrics'] = {
        'long_tail/few': 3.0,
        'feature_space/few': 4.0,
        'feature_space/compactness': 0.5,
        'feature_space/angle_min': None,
        'other/worst': 1.0,
    }
    (values,) = run_frame([record]).to_dict('records')
    assert values == {'few': 3.0, 'compactness': 0.5}


def test_no_records() -> None:
    found = compare([], metrics=['balanced'])
    assert found.runs.empty and found.document() == []
    assert means_table(found, ['balanced']).startswith('| method')


def test_markdown() -> None:
    assert markdown_table(['a', 'bb', 'c'], [['long', '1', 2.50]], text_columns=1).splitlines() == [
        '| a    |   bb |   c |',
        '|:-----|-----:|----:|',
        '| long |    1 | 2.5 |',
    ]
    found = compare(table(), metrics=['balanced'], baseline='BCL')
    means = means_table(found, ['balanced'])
    assert '| 82.0 ± 5.0 |' in means and '|      3 |' in means
    differences = differences_table(found, ['balanced'])
    assert differences.splitlines()[2:] == ['| RCL         | +1.0 ± 0.0 |']
    (bcl, rcl) = found.document()
    assert bcl['label'] == 'BCL' and bcl['differences'] == {} and bcl['runs'] == 3
    assert rcl['differences']['balanced']['n'] == 3
