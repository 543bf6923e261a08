"""One run in this process: its record, resuming, what is left behind, what it never loads."""

import gc
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer
from study import run as experiment_run
from study.plan import resident_digits
from study.run import (
    ROOT,
    Run,
    code_commit,
    device_name,
    evaluate,
    execute_run,
    record_failure,
)
from study.run_files import DIGEST_NAME, FAILURE_NAME, RESULT_NAME, read_json, write_json
from study.runner_state import isolated_runner_state

from rcl_mm.cli.arguments import train_parser
from rcl_mm.cli.launch import train
from rcl_mm.models import CIFARResNet
from rcl_mm.runtime.errors import UsageError

CONFIG = 'configs/rcl/resnet8_digits_lt.py'


def small_run(name: str = 'small', seed: int = 0, epochs: int = 1, **changes: Any) -> Run:
    """A run of a second: Digits-LT with 20 images of the largest class and 60 to evaluate."""
    options = resident_digits('exp', 10)
    options['train_dataloader.dataset']['dataset']['img_max'] = 20
    for split in ('val', 'test'):
        options[f'{split}_dataloader.dataset']['dataset']['indices'] = 60
    options.update({'train_cfg.max_epochs': epochs, 'default_hooks.checkpoint.interval': 1})
    options.update(changes.pop('options', {}))
    return Run(name, CONFIG, seed, options=options, **changes)


@pytest.fixture(scope='module')
def finished(tmp_path_factory) -> tuple:
    """A finished run of two epochs, and its record."""
    work_dir = tmp_path_factory.mktemp('finished')
    run = small_run(epochs=2, factors={'method': 'RCL'}, feature_metrics=True)
    return run, work_dir, execute_run(run, work_dir, commit='abc')


class TestRecord:
    def test_says_what_was_run_and_what_came_out(self, finished) -> None:
        run, work_dir, record = finished
        assert record['metrics']['long_tail/balanced'] > 0
        assert set(record['metrics']) >= {'long_tail/few', 'feature_space/compactness'}
        assert record['config'] == CONFIG and record['seed'] == 0
        assert record['factors'] == {'method': 'RCL'} and record['commit'] == 'abc'
        assert record['epochs'] == 2 and record['iterations'] == 4
        assert record['versions']['torch'] == torch.__version__.partition('+')[0]
        assert record['device'] == device_name() and record['duration'] > 0
        assert record['best_on_val'] is None and record['resumed'] is False

    def test_is_on_disk_and_found_again(self, finished) -> None:
        run, work_dir, record = finished
        on_disk = json.loads((work_dir / 'small' / RESULT_NAME).read_text())
        assert on_disk == record == run.record(work_dir)

    @pytest.mark.parametrize(
        'change',
        [
            {'seed': 1},
            {'options': {'model.head.loss.prior_power': 0.0}},
            {'split': 'val'},
            {'config': 'configs/bcl/resnet8_digits_lt.py'},
            {'feature_metrics': False},
        ],
    )
    def test_of_other_settings_is_not_taken(self, finished, change) -> None:
        run, work_dir, _ = finished
        assert replace(run, **change).record(work_dir) is None

    def test_log_is_in_the_run_folder(self, finished) -> None:
        _, work_dir, _ = finished
        (log,) = (work_dir / 'small').glob('*/*.log')
        assert 'Epoch(train)' in log.read_text()

    def test_keeps_the_last_checkpoint_alone(self, finished) -> None:
        _, work_dir, _ = finished
        assert [path.name for path in (work_dir / 'small').glob('*.pth')] == ['epoch_2.pth']


def test_is_what_tools_train_gives(finished, tmp_path) -> None:
    run, _, record = finished
    args = train_parser().parse_args([str(ROOT / CONFIG), '--work-dir', str(tmp_path)])
    args.seed, args.cfg_options = 0, small_run(epochs=2).options
    with isolated_runner_state():
        metrics = train(args).test()
    assert metrics == {k: v for k, v in record['metrics'].items() if k.startswith('long_tail/')}


def test_goes_on_from_its_checkpoint(finished) -> None:
    run, work_dir, record = finished
    (work_dir / 'small' / RESULT_NAME).unlink()
    again = execute_run(run, work_dir)
    assert again['resumed'] is True and again['epochs'] == 2
    assert again['metrics'] == record['metrics']


def test_other_settings_start_from_nothing(tmp_path) -> None:
    """The checkpoint of the old settings is there, trained to the end: it is not gone on from."""
    old, new = small_run(), small_run(options={'optim_wrapper.optimizer.lr': 1e-6})
    first = execute_run(old, tmp_path)
    record = execute_run(new, tmp_path)
    fresh = execute_run(new, tmp_path / 'empty')
    assert record['resumed'] is False
    assert record['metrics'] == fresh['metrics'] != first['metrics']
    # Also where a version before this one left no note.
    (tmp_path / 'small' / DIGEST_NAME).unlink()
    assert execute_run(old, tmp_path)['metrics'] == first['metrics']


def test_best_on_validation_is_tested_apart(tmp_path) -> None:
    # After the second epoch the learning rate is so high that the first one stays the best.
    options = {
        'default_hooks.checkpoint.save_best': 'long_tail/balanced',
        'train_cfg.val_interval': 1,
        'param_scheduler': [dict(type='MultiStepLR', milestones=[1], gamma=1e4)],
    }
    record = execute_run(small_run(epochs=2, options=options), tmp_path, checkpoints='none')
    best = record['best_on_val']
    assert best['selected_by'] == 'long_tail/balanced' and best['epoch'] == 1
    assert best['metrics'] != record['metrics'] and record['epochs'] == 2
    assert not list((tmp_path / 'small').glob('*.pth'))


def test_validation_runs_never_load_test_images(tmp_path) -> None:
    # A test split that can not be built.
    broken = dict(_delete_=True, type='DigitsLT', split='no such split')
    options = {'test_dataloader.dataset': broken}
    record = execute_run(small_run(split='val', options=options), tmp_path, 'none')
    assert record['split'] == 'val' and record['metrics']['long_tail/balanced'] > 0
    with pytest.raises(ValueError, match='no such split'):
        execute_run(small_run(options=options), tmp_path, 'none')


def test_nothing_of_a_run_stays_in_the_process(tmp_path) -> None:
    """MMEngine keeps loggers, hubs, scopes and visualizers by name, and open log files."""

    def kept() -> tuple:  # what a process would fill up with
        gc.collect()
        managed = [len(c._instance_dict) for c in (MMLogger, MessageHub, DefaultScope, Visualizer)]
        models = sum(type(o) is CIFARResNet for o in gc.get_objects())
        files = [os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd')
                 if os.path.exists(f'/proc/self/fd/{fd}')]  # fmt: skip
        return managed, models, sorted(file for file in files if str(tmp_path) in file)

    execute_run(small_run('warm-up'), tmp_path, 'none')
    before = kept()
    for seed in range(2):
        execute_run(small_run(f'run{seed}', seed), tmp_path, 'none')
    assert kept() == before
    assert before[2] == []


def test_isolated_state_survives_errors_and_keeps_what_was_there() -> None:
    with isolated_runner_state():
        outer = MMLogger.get_instance('outer')
        with pytest.raises(RuntimeError), isolated_runner_state():
            MMLogger.get_instance('inner')
            raise RuntimeError
        assert MMLogger.get_current_instance() is outer
        assert not MMLogger.check_instance_created('inner')


def test_failure_is_recorded_and_forgotten_by_the_next_success(tmp_path) -> None:
    run = small_run()
    try:
        raise KeyError('Nonsense is not in the mmengine::model registry')
    except KeyError as error:
        record_failure(run, tmp_path, error)
    failure = read_json(tmp_path / 'small' / FAILURE_NAME)
    assert failure['error'] == "KeyError: 'Nonsense is not in the mmengine::model registry'"
    assert 'test_failure_is_recorded' in failure['traceback']
    assert run.record(tmp_path) is None
    execute_run(run, tmp_path, 'none')
    assert not (tmp_path / 'small' / FAILURE_NAME).exists()


def test_figures_that_are_not_finite_are_written_as_none() -> None:
    class Diverged:
        def test(self) -> dict:
            return {'long_tail/ece': float('nan'), 'long_tail/few': 1.5}

    assert evaluate(Diverged(), 'test') == {'long_tail/ece': None, 'long_tail/few': 1.5}


@pytest.mark.parametrize('name', ['', '/absolute', '../outside', 'a/../../b'])
def test_names_that_are_no_folder_are_refused(name) -> None:
    with pytest.raises(ValueError, match='run name'):
        Run(name, CONFIG, 0)


def test_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match='allowed are test and val'):
        Run('a', CONFIG, 0, split='train')


def test_digest_is_of_the_settings_that_come_out(tmp_path) -> None:
    path = tmp_path / 'a.py'
    options = {'model.head.loss.feature_scale': 0.5, 'model.neck': dict(_delete_=True, type='A')}

    def digest(loss: dict, options: dict = options, seed: int = 0) -> str:
        path.write_text(f'model = dict(head=dict(loss={loss}), neck=dict(type="B", b=1))')
        experiment_run._read_config.cache_clear()
        return Run('a', str(path), seed, options).digest()

    overridden = digest({})
    assert overridden == digest(dict(feature_scale=0.5)) == digest(dict(feature_scale=2.0))
    assert overridden != digest(dict(temperature=0.2)) and overridden != digest({}, seed=1)
    assert overridden != digest({}, {**options, 'model.head.loss.feature_scale': 0.6})
    # The options, which go on to the run, are as they were.
    assert options['model.neck'] == dict(_delete_=True, type='A')


def test_missing_config_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match='does not exist'):
        Run('a', 'configs/no_such.py', 0).digest()


def test_a_file_cut_short_is_no_result(tmp_path) -> None:
    path = tmp_path / 'a' / RESULT_NAME
    write_json(path, {'a': 1})
    assert read_json(path) == {'a': 1} and list(path.parent.iterdir()) == [path]
    path.write_text('{"a": ')
    assert read_json(path) is None


def test_commit_tells_whether_the_code_was_changed() -> None:
    commit = code_commit()
    if not (Path(ROOT) / '.git').exists():
        assert commit is None
    else:
        assert len(commit.removesuffix('-dirty')) == 40
