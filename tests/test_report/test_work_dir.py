"""Reading a work dir: curves over resumes, unfinished and untested runs, configs as data."""

import json

import numpy as np
import pytest

from rcl_mm.evaluation.results import ResultsError
from rcl_mm.report.work_dir import read_curves, read_run

from .fake_runs import fake_work_dir


def write_log(folder, records, tail=''):
    path = folder / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text('\n'.join(json.dumps(record) for record in records) + tail)
    return path


class TestReadCurves:
    def test_read_curves__resumed__newer_file_replaces_the_same_steps(self, tmp_path):
        first = [{'lr': 1, 'loss': 10.0 + step, 'step': step} for step in range(1, 9)]
        first += [{'long_tail/few': 1.0, 'step': 1}, {'long_tail/few': 2.0, 'step': 2}]
        second = [{'lr': 1, 'loss': 20.0 + step, 'step': step} for step in range(5, 11)]
        second += [{'long_tail/few': 9.0, 'step': 2}]
        logs = [write_log(tmp_path / 'a', first), write_log(tmp_path / 'b', second)]
        training, validation, trained = read_curves(logs)
        steps, values = training['loss']
        assert steps.tolist() == list(range(1, 11))
        assert values.tolist() == [11, 12, 13, 14, *range(25, 31)]
        assert validation['long_tail/few'][1].tolist() == [1.0, 9.0]
        assert trained == logs

    def test_read_curves__resumed_between_validations__older_ones_stay(self, tmp_path):
        first = [{'lr': 1, 'loss': 1.0, 'step': 1}, {'long_tail/few': 1.0, 'step': 1}]
        second = [{'lr': 1, 'loss': 1.0, 'step': 2}]
        logs = [write_log(tmp_path / 'a', first), write_log(tmp_path / 'b', second)]
        assert read_curves(logs)[1]['long_tail/few'][1].tolist() == [1.0]

    def test_read_curves__killed_while_writing__whole_lines_count(self, tmp_path):
        records = [{'lr': 1, 'loss': 2.0, 'step': 1}, {'lr': 1, 'loss': float('nan'), 'step': 2}]
        log = write_log(tmp_path, records, tail='\n{"lr": 1, "lo')
        training, _, _ = read_curves([log])
        assert training['loss'][1].tolist() == [2.0]

    def test_read_curves__log_of_a_test__is_no_training(self, tmp_path):
        log = write_log(tmp_path, [{'long_tail/few': 1.0, 'step': 0}])
        assert read_curves([log]) == ({}, {}, [])


class TestReadRun:
    def test_read_run__finished_and_tested__nothing_to_say(self, tmp_path):
        run = read_run(fake_work_dir(tmp_path / 'run', seed=7))
        assert run.notes == [] and run.seed == 7
        assert run.config['model']['head']['type'] == 'RCLHead'
        assert run.command['command'].startswith('python tools/train.py')
        assert set(run.validation) >= {'long_tail/few', 'long_tail/many'}
        assert len(run.training['loss_con'][0]) == 40

    def test_read_run__method_config__has_no_seed_and_no_folder(self, tmp_path):
        one = read_run(fake_work_dir(tmp_path / 'a', seed=1))
        two = read_run(fake_work_dir(tmp_path / 'b', seed=2))
        assert one.method_config == two.method_config and one.config != two.config

    def test_read_run__unfinished__one_sentence(self, tmp_path):
        run = read_run(fake_work_dir(tmp_path / 'run', epochs=10, reached=3))
        (unfinished, tested) = run.notes
        assert 'is unfinished: its last checkpoint is at epoch 3 of 10' in unfinished
        assert 'results of epoch_4.pth; its last checkpoint is epoch_3.pth' in tested

    @pytest.mark.parametrize('pointer', [None, '/gone/interrupted.pth'])
    def test_read_run__no_numbered_checkpoint__as_far_as_the_log_goes(self, tmp_path, pointer):
        folder = fake_work_dir(tmp_path / 'run', reached=2, results=False)
        (folder / 'last_checkpoint').unlink()
        if pointer:
            (folder / 'last_checkpoint').write_text(pointer)
        assert any('stopped in epoch 2 of 4' in note for note in read_run(folder).notes)

    def test_read_run__trained_but_not_tested__says_what_to_run(self, tmp_path):
        run = read_run(fake_work_dir(tmp_path / 'run', results=False))
        assert run.results is None and len(run.notes) == 1
        assert 'was not tested: run tools/test.py' in run.notes[0]

    def test_read_run__tested_elsewhere__no_curves(self, tmp_path):
        folder = fake_work_dir(tmp_path / 'run')
        log = next(folder.glob('*/vis_data/scalars.json'))
        log.write_text('{"long_tail/few": 1.0, "step": 0}')
        run = read_run(folder)
        assert run.results is not None and run.training == {} and run.notes == []

    @pytest.mark.parametrize('made', [False, True])
    def test_read_run__nothing_there__error(self, tmp_path, made):
        folder = tmp_path / 'run'
        if made:
            folder.mkdir()
        message = 'neither results nor a training log' if made else 'does not exist'
        with pytest.raises(ResultsError, match=message) as error:
            read_run(folder)
        assert '\n' not in str(error.value)

    def test_read_run__config_with_code__is_not_executed(self, tmp_path):
        folder = fake_work_dir(tmp_path / 'run')
        config = next(folder.glob('*/vis_data/config.py'))
        trap = tmp_path / 'executed'
        config.write_text(f'x = __import__("pathlib").Path({str(trap)!r}).touch()\n')
        run = read_run(folder)
        assert not trap.exists() and run.config == {}
        assert 'left out of the config comparison' in run.notes[0]

    def test_read_run__values_are_arrays(self, tmp_path):
        steps, values = read_run(fake_work_dir(tmp_path / 'run')).training['loss']
        assert steps.dtype == values.dtype == np.float64
