"""tools/study.py: the parts in order, the sweep's choice handed on, its sub-commands."""

import json
import os
import subprocess
import sys

import pytest
from study import main as study
from study.main import main
from study.pool import Outcome
from study.run import ROOT, Run
from study.run_files import RESULT_NAME, write_json

from .synthetic_records import record_of


@pytest.fixture
def experiments(monkeypatch):
    """A run_experiment that runs nothing: sharpness 20 is best for RCL, 5 for it standalone."""
    calls = []
    left = []

    def fake(runs, settings) -> Outcome:
        settings.work_dir.mkdir(parents=True, exist_ok=True)
        calls.append((list(runs), settings.max_minutes))
        if any(run.factors['part'] in left for run in runs):
            return Outcome(left=[run.name for run in runs])
        records = []
        for run in runs:
            best = 20 if run.factors['method'] == 'RCL' else 5
            factors = run.factors
            value = 80.0 + run.seed / 100
            value += 5 * (factors.get('sharpness') == best)
            # gamma and beta that the choice may not take on Digits-LT.
            value += 9 * (factors.get('prior_power') == 1.5) + 9 * (factors.get('con_weight') == 3)
            records.append(record_of(run, {'long_tail/balanced': value}))
        return Outcome(records=records)

    monkeypatch.setattr(study, 'run_experiment', fake)
    return calls, left


def scales(runs, method: str) -> set:
    name = 'model.head.loss.feature_scale'
    return {run.options.get(name) for run in runs if run.factors['method'] == method}


def test_the_sweep_chooses_the_scale_of_the_study(experiments, tmp_path, capsys) -> None:
    calls, _ = experiments
    assert main(['--work-dir', str(tmp_path), '--seeds', '2']) == 0
    (sweep, _), (digits, _) = calls
    assert {run.factors['part'] for run in sweep} == {'sweep'}
    assert {run.factors['part'] for run in digits} == {'digits'}
    assert scales(digits, 'RCL') == {1.4142} and scales(digits, 'RCL standalone') == {0.7071}
    # The baselines are not touched.
    assert scales(digits, 'BCL') == {None} and scales(digits, 'BCL standalone') == {1.0}
    choice = json.loads((tmp_path / 'sweep-choice.json').read_text())
    assert choice['RCL']['sharpness'] == 20 and choice['RCL']['con_weight'] == 0.3
    assert 's^2/tau = 20' in capsys.readouterr().out


def test_without_a_whole_sweep_the_study_waits(experiments, tmp_path, capsys) -> None:
    calls, left = experiments
    left.append('sweep')
    assert main(['--work-dir', str(tmp_path), '--seeds', '1']) == 1
    assert len(calls) == 1
    assert 'runs are left for lack of time' in capsys.readouterr().err


def test_parts_run_in_order_and_share_the_time(experiments, tmp_path) -> None:
    calls, _ = experiments
    arguments = ['--part', 'digits', 'sweep', '--max-minutes', '30', '--seeds', '1']
    assert main([*arguments, '--work-dir', str(tmp_path)]) == 0
    assert [runs[0].factors['part'] for runs, _ in calls] == ['sweep', 'digits']
    assert calls[1][1] <= calls[0][1] <= 30


def test_one_part_some_methods_more_options(experiments, tmp_path, capsys) -> None:
    calls, _ = experiments
    arguments = ['run', '--part', 'cifar', '--methods', 'BCL', 'RCL', '--seeds', '2']
    arguments += ['--cfg-options', 'a.b=3', '--work-dir', str(tmp_path)]
    assert main(arguments) == 0
    ((runs, _),) = calls
    assert [run.factors['method'] for run in runs] == ['BCL', 'RCL', 'BCL', 'RCL']
    assert all(run.options['a.b'] == 3 for run in runs)
    assert '80.0 ± 0.1' in capsys.readouterr().out


def test_digits_are_shown_by_imbalance(experiments, tmp_path, capsys) -> None:
    assert main(['--part', 'digits', '--seeds', '2', '--work-dir', str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert 'step 100' in out and '| cross-entropy     | 80.0 ± 0.1 |' in out


def test_some_imbalances_of_digits(experiments, tmp_path) -> None:
    calls, _ = experiments
    arguments = ['--part', 'digits', '--imbalances', 'exp50', '--seeds', '1']
    assert main([*arguments, '--work-dir', str(tmp_path)]) == 0
    ((runs, _),) = calls
    assert {(r.factors['imbalance_type'], r.factors['imbalance_factor']) for r in runs} == {
        ('exp', 50)
    }


def test_collect_and_restore(tmp_path, capsys) -> None:
    run = Run('a/seed0', 'configs/x.py', 0, factors={'part': 'digits'})
    write_json(tmp_path / 'work' / run.name / RESULT_NAME, record_of(run))
    assert main(['collect', str(tmp_path / 'work'), '-o', str(tmp_path / 'all.json')]) == 0
    assert main(['restore', str(tmp_path / 'all.json'), '--work-dir', str(tmp_path / 'b')]) == 0
    assert (tmp_path / 'b' / run.name / RESULT_NAME).is_file()
    assert capsys.readouterr().out.count('1 results in') == 2


@pytest.mark.parametrize(
    'arguments, code, message',
    [
        (['collect', '/no/such/folder', '-o', 'x.json'], 2, 'has no result.json'),
        (['restore', '/no/such.json', '--work-dir', 'x'], 2, 'does not exist'),
        (['--seeds', '0'], 2, 'seeds is 0'),
        (['--max-minutes', '-5'], 2, 'max-minutes is -5'),
    ],
)
def test_wrong_calls(arguments, code, message, capsys) -> None:
    assert main(arguments) == code
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1


def test_wrong_arguments() -> None:
    with pytest.raises(SystemExit) as exit:
        main(['--part', 'imagenet'])
    assert exit.value.code == 2


def test_ctrl_c_leaves_no_traceback(monkeypatch, tmp_path, capsys) -> None:
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(study, 'run_experiment', interrupt)
    assert main(['--work-dir', str(tmp_path)]) == 130
    assert capsys.readouterr().err == 'stopped: the same command goes on\n'


def test_packages_that_are_not_installed() -> None:
    code = 'import sys; sys.modules.update(pandas=None, tabulate=None); import study'
    environment = {**os.environ, 'PYTHONPATH': str(ROOT / 'tools')}
    done = subprocess.run(
        [sys.executable, '-c', code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == (
        'the study needs pandas and tabulate: pip install -e ".[study]" (or make setup)\n'
    )
