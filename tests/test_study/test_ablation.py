"""tools/ablate.py: names of rows, which runs, the table, what it says when runs are missing."""

import json

import pytest
from study import ablation
from study.ablation import DIGITS_BASELINE, DIGITS_ROWS, ablation_runs, main, row_names
from study.pool import Outcome
from study.run import ROOT

from rcl_mm.runtime.errors import UsageError

from .synthetic_records import record_of

TWO = ['configs/rcl/resnet8_digits_lt.py', 'configs/bcl/resnet8_digits_lt.py']


@pytest.mark.parametrize(
    'configs, names',
    [
        (['configs/rcl/a.py'], ['a']),
        (['configs/rcl/a.py', 'configs/bcl/a.py'], ['rcl', 'bcl']),
        (['configs/x/r8_d_1.py', 'configs/x/r8_d_2_y.py'], ['1', '2_y']),
        (['configs/x/r8.py', 'configs/y/r8.py', 'configs/y/r50.py'], ['x/r8', 'y/r8', 'y/r50']),
        (['a/x/r8.py', 'b/x/r8.py'], ['a/x/r8', 'b/x/r8']),
    ],
)
def test_row_names(configs, names) -> None:
    assert row_names(configs) == names


def test_a_config_given_twice() -> None:
    with pytest.raises(UsageError, match='given twice: a/x.py'):
        row_names(['a/x.py', 'a/x.py'])


def test_defaults_are_the_six_rows_of_the_method() -> None:
    assert len(DIGITS_ROWS) == 6 and all((ROOT / row).is_file() for row in DIGITS_ROWS.values())
    assert DIGITS_BASELINE in DIGITS_ROWS


def test_runs() -> None:
    runs = ablation_runs(dict(zip(row_names(TWO), TWO)), [3, 4], {'a': 1}, feature_metrics=True)
    assert [(r.name, r.seed) for r in runs] == [
        ('rcl/seed3', 3),
        ('bcl/seed3', 3),
        ('rcl/seed4', 4),
        ('bcl/seed4', 4),
    ]
    assert [r.factors for r in runs[:2]] == [
        {'part': 'ablation', 'method': 'rcl'},
        {'part': 'ablation', 'method': 'bcl'},
    ]
    assert all(r.options == {'a': 1} and r.feature_metrics for r in runs)


@pytest.fixture
def outcomes(monkeypatch):
    """What run_experiment would give: BCL 80, RCL 82, and what is asked to be missing."""
    missing = {'failures': {}, 'left': []}

    def fake(runs, settings) -> Outcome:
        settings.work_dir.mkdir(parents=True, exist_ok=True)
        outcome = Outcome(failures=missing['failures'], left=missing['left'])
        for run in runs:
            if run.name not in missing['failures'] and run.name not in missing['left']:
                value = 80 + run.seed / 10
                value += (2 + run.seed / 100) * (run.factors['method'] == 'rcl')
                outcome.records.append(record_of(run, {'long_tail/balanced': value}))
        return outcome

    monkeypatch.setattr(ablation, 'run_experiment', fake)
    return missing


def test_table_with_differences_to_the_named_baseline(outcomes, tmp_path, capsys) -> None:
    assert main([*TWO, '--baseline', 'bcl', '--seeds', '3', '--work-dir', str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert '82.1 ± 0.3' in text and '80.1 ± 0.2' in text and '**+2.0 ± 0.0**' in text
    assert 'PARTIAL' not in text
    document = json.loads((tmp_path / 'ablation.json').read_text())
    assert document['complete'] and document['baseline'] == 'bcl'
    rcl = document['rows'][0]
    assert rcl['label'] == 'rcl' and rcl['differences']['balanced']['mean'] == pytest.approx(2.01)
    assert document['markdown'] == (tmp_path / 'ablation.md').read_text()


def test_missing_runs_are_said_and_the_exit_code_is_one(outcomes, tmp_path, capsys) -> None:
    outcomes['failures'] = {'rcl/seed1': 'ValueError: no'}
    outcomes['left'] = ['bcl/seed2']
    assert main([*TWO, '--seeds', '3', '--work-dir', str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert 'PARTIAL: 4 of 6 runs' in out
    assert '1 runs failed, such as rcl/seed1 (ValueError: no' in err and '1 runs are left' in err
    assert len(err.strip().splitlines()) == 1
    assert not json.loads((tmp_path / 'ablation.json').read_text())['complete']


def test_nothing_done_at_all(outcomes, tmp_path, capsys) -> None:
    outcomes['left'] = ['rcl/seed0', 'bcl/seed0']
    assert main([*TWO, '--seeds', '1', '--work-dir', str(tmp_path)]) == 1
    assert 'PARTIAL: 0 of 2 runs' in capsys.readouterr().out


def test_option_without_a_value(capsys) -> None:
    with pytest.raises(SystemExit) as exit:
        main([*TWO, '--cfg-options', 'train_cfg.max_epochs'])
    assert exit.value.code == 2 and 'is not of the form key=value' in capsys.readouterr().err


@pytest.mark.parametrize(
    'arguments, message',
    [
        ([*TWO, '--baseline', 'supcon'], 'baseline is "supcon", allowed are rcl, bcl'),
        ([*TWO, '--seeds', '0'], 'seeds is 0'),
        (['configs/rcl/no_such.py'], 'does not exist'),
        ([*TWO, '--jobs', '0'], 'jobs is 0'),
        ([TWO[0], TWO[0]], 'given twice'),
    ],
)
def test_wrong_calls_are_one_line_and_exit_two(arguments, message, tmp_path, capsys) -> None:
    assert main([*arguments, '--work-dir', str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
