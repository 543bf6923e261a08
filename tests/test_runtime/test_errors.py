"""One line for what a user can mend, a traceback for everything else."""

from types import SimpleNamespace

import pytest
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset

from rcl_mm.class_counts import check_class_counts, count_labels, shot_groups
from rcl_mm.conversion.errors import ConversionError
from rcl_mm.datasets.loading import UnreadableImageError
from rcl_mm.engine.hooks.finite_loss import NonFiniteError
from rcl_mm.errors import InputError, InputTypeError
from rcl_mm.evaluation.results import ResultsError
from rcl_mm.runtime.checkpoint import CheckpointError
from rcl_mm.runtime.errors import UsageError, one_line, report_errors, users_mistake, writing


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


class TestUsersMistake:
    def test_own_error_raised_from_it__is_still_the_users(self):
        """MMEngine and our code give context by ``raise ... from``."""
        with pytest.raises(RuntimeError) as raised:
            try:
                check_class_counts([3, -1])
            except InputError as error:
                raise RuntimeError('while the counts were set') from error
        assert 'class_counts[1] is -1' in one_line(users_mistake(raised.value))

    def test_bug_while_it_is_handled__is_a_bug(self):
        with pytest.raises(ZeroDivisionError) as raised:
            try:
                check_class_counts([3, -1])
            except InputError:
                1 / 0  # noqa: B018
        assert users_mistake(raised.value) is None

    def test_wrong_call_inside_the_package__is_a_bug(self):
        """It comes from a line of this package, but no user has written ``many=None``."""
        with pytest.raises(TypeError, match="'>' not supported"):
            report_errors(lambda: shot_groups([1, 2], many=None))

    def test_error_that_a_hook_wrapped(self, tmp_path):
        """``Runner.call_hook`` raises a new TypeError ``from None``."""

        class Counts:
            def before_train(self, runner):
                count_labels([0.5])

        with pytest.raises(TypeError) as raised:
            Runner.call_hook(SimpleNamespace(_hooks=[Counts()]), 'before_train')
        assert not isinstance(raised.value, InputError)
        assert one_line(users_mistake(raised.value)).startswith('labels must be integers')


class Samples(Dataset):
    """One sample, whose reading fails."""

    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise self.error


class TestErrorsOfWorkers:
    @pytest.mark.parametrize(
        'error',
        [
            InputError('images/a.jpg is empty'),
            InputTypeError('images/a.jpg is empty'),
            UnreadableImageError('images/a.jpg is empty'),
            FileNotFoundError('images/a.jpg is empty'),
        ],
    )
    def test_type_survives__one_line(self, error, capsys):
        assert report_errors(lambda: next(iter(DataLoader(Samples(error), num_workers=1)))) == 1
        assert capsys.readouterr().err == 'error: images/a.jpg is empty\n'

    @pytest.mark.parametrize('error', [ValueError('a bug'), ZeroDivisionError('a bug')])
    def test_other_types__keep_their_traceback(self, error):
        with pytest.raises(type(error), match='a bug'):
            report_errors(lambda: next(iter(DataLoader(Samples(error), num_workers=1))))

    @pytest.mark.parametrize(
        'kind',
        [CheckpointError, ConversionError, InputError, InputTypeError, NonFiniteError]
        + [ResultsError, UnreadableImageError, UsageError],
    )
    def test_kind__is_built_from_one_string_as_torch_does(self, kind):
        assert isinstance(kind('a line'), InputError) and str(kind('a line')) == 'a line'
