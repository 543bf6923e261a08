"""One line for what a user can mend, a traceback for everything else."""

import re

import pytest
from mmengine.registry import LOOPS, MODELS

from rcl_mm.class_counts import check_class_counts
from rcl_mm.runtime.errors import UsageError, is_users_to_mend, one_line, report_errors, writing


def raising(error):
    def run():
        raise error

    return run


class TestReportErrors:
    def test_no_error(self):
        assert report_errors(lambda: None) == 0

    def test_wrong_call__exit_2(self, capsys):
        assert report_errors(raising(UsageError('give a path'))) == 2
        assert capsys.readouterr().err == 'error: give a path\n'

    def test_check_of_this_package__exit_1_and_one_line(self, capsys):
        assert report_errors(lambda: check_class_counts([3, -1])) == 1
        error = capsys.readouterr().err
        assert error.startswith('error: class_counts[1] is -1, allowed are whole numbers')
        assert len(error.splitlines()) == 1

    def test_missing_file__is_named(self, capsys):
        assert report_errors(lambda: open('/no/such/file.txt')) == 1
        assert capsys.readouterr().err == 'error: /no/such/file.txt: No such file or directory\n'

    @pytest.mark.parametrize('error', [ValueError('a bug'), KeyError('a'), ZeroDivisionError()])
    def test_error_elsewhere__keeps_its_traceback(self, error):
        with pytest.raises(type(error)):
            report_errors(raising(error))

    @pytest.mark.parametrize('how', ['argument', 'environment'])
    def test_debug__shows_every_traceback(self, how, monkeypatch):
        if how == 'environment':
            monkeypatch.setenv('RCL_MM_TRACEBACK', '1')
        with pytest.raises(UsageError):
            report_errors(raising(UsageError('give a path')), debug=how == 'argument')

    def test_traceback_env_0__is_off(self, monkeypatch, capsys):
        monkeypatch.setenv('RCL_MM_TRACEBACK', '0')
        assert report_errors(raising(UsageError('give a path'))) == 2


class TestWriting:
    def test_names_what_the_user_gave(self, tmp_path, capsys):
        def run():
            with writing(tmp_path / 'views.png'):
                open(tmp_path / 'gone/.unfinished-views.png', 'w')

        assert report_errors(run) == 1
        assert capsys.readouterr().err == (
            f'error: {tmp_path}/views.png: can not be written (No such file or directory)\n'
        )

    def test_other_errors_pass(self):
        with pytest.raises(ValueError, match='^a bug$'), writing('views.png'):
            raise ValueError('a bug')


class TestIsUsersToMend:
    def test_unknown_registry_name(self):
        assert is_users_to_mend(KeyError('X is not in the mmengine::model registry. Please'))

    @pytest.mark.parametrize(
        ('registry', 'config', 'message'),
        [
            (MODELS, dict(type='RCLLoss', temprature=1), "RCLLoss.*argument 'temprature'"),
            (
                LOOPS,
                dict(type='EpochBasedTrainLoop', max_epoch=1),
                "EpochBasedTrainLoop.*argument 'max_epoch'",
            ),
        ],
    )
    def test_mistyped_argument_of_a_class(self, registry, config, message, capsys):
        assert report_errors(lambda: registry.build(config)) == 1
        error = capsys.readouterr().err
        assert re.search(message, error) and len(error.splitlines()) == 1

    def test_mistyped_argument_elsewhere__is_a_bug(self):
        class Own:
            def __init__(self):
                pass

        with pytest.raises(TypeError, match='unexpected keyword') as error:
            Own(x=1)
        assert not is_users_to_mend(error.value)

    def test_error_that_a_hook_wrapped(self):
        """``Runner.call_hook`` raises a new TypeError ``from None``."""
        try:
            try:
                check_class_counts([[1]])
            except ValueError as error:
                raise TypeError(f'{error} in hook') from None
        except TypeError as wrapped:
            assert is_users_to_mend(wrapped)

    @pytest.mark.parametrize(
        ('last_file', 'kind', 'expected'),
        [
            ('rcl_mm/datasets/image_lists.py', 'ValueError', True),
            ('elsewhere/image_lists.py', 'ValueError', False),
            ('elsewhere/io.py', 'FileNotFoundError', True),
            ('rcl_mm/datasets/image_lists.py', 'ZeroDivisionError', False),
        ],
    )
    def test_error_of_a_worker_process(self, last_file, kind, expected):
        import rcl_mm

        root = rcl_mm.__file__.replace('rcl_mm/__init__.py', '')
        path = root + last_file if last_file.startswith('rcl_mm') else f'/{last_file}'
        text = (
            'Caught ValueError in DataLoader worker process 0.\nOriginal Traceback (most recent '
            f'call last):\n  File "/torch/worker.py", line 1, in loop\n  File "{path}", line 2, in '
            f'f\n    raise\n{kind}: images/a.jpg is empty\n'
        )
        assert is_users_to_mend(RuntimeError(text)) is expected
        assert one_line(RuntimeError(text)) == 'images/a.jpg is empty'
