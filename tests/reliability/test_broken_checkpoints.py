"""``--resume`` finds the newest whole checkpoint, whatever happened to the others."""

import errno
import shutil

import pytest
import torch

from rcl_mm.engine.hooks.resume import newest_whole_checkpoint

from .same_run import checkpoint_differences


def cut(path, keep=0.6):
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])


def flip(path):
    """One wrong bit in the middle of the weights."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def empty(path):
    path.write_bytes(b'')


def hostile(path):
    path.write_bytes(b'cos\nsystem\n(S"touch was_here"\ntR.')


@pytest.fixture
def trained(train, project):
    """A run of four epochs, and a copy in which one test may do harm."""
    assert train('straight') == 0
    shutil.copytree(project / 'straight', project / 'harmed')
    return project / 'straight', project / 'harmed'


def newest_log(work_dir):
    return max(work_dir.glob('*/*.log'), key=lambda path: path.stat().st_mtime).read_text()


class TestResume:
    def test_each_kind_of_harm__is_named_and_passed_over(self, trained):
        _, harmed = trained
        names = ['epoch_4.pth', 'epoch_3.pth', 'epoch_2.pth']
        for name, harm in zip(names, (cut, flip, empty)):
            harm(harmed / name)
            assert newest_whole_checkpoint(str(harmed)).endswith(f'epoch_{int(name[6]) - 1}.pth')
        hostile(harmed / 'epoch_1.pth')
        assert newest_whole_checkpoint(str(harmed)) is None

    def test_run_goes_on_from_the_one_before__and_ends_the_same(self, train, trained):
        straight, harmed = trained
        cut(harmed / 'epoch_4.pth')
        flip(harmed / 'epoch_3.pth')
        assert train('harmed', '--resume') == 0
        log = newest_log(harmed)
        assert 'epoch_4.pth" is cut short or corrupt' in log
        assert 'epoch_3.pth" is corrupt: its checksums are wrong' in log
        assert f'Resuming from the newest whole checkpoint, {harmed}/epoch_2.pth' in log
        assert checkpoint_differences(straight / 'epoch_4.pth', harmed / 'epoch_4.pth') == []

    def test_none_left__training_starts_from_the_beginning(self, train, trained):
        straight, harmed = trained
        for number in range(1, 5):
            cut(harmed / f'epoch_{number}.pth')
        assert train('harmed', '--resume') == 0
        assert 'no whole checkpoint in' in newest_log(harmed)
        assert checkpoint_differences(straight / 'epoch_4.pth', harmed / 'epoch_4.pth') == []

    def test_note_of_the_last_checkpoint_is_lost_or_wrong__the_files_count(self, train, trained):
        _, harmed = trained
        for note in ('', '/no/such/file.pth'):
            (harmed / 'last_checkpoint').write_text(note)
            assert newest_whole_checkpoint(str(harmed)).endswith('epoch_4.pth')
        assert train('harmed', '--resume', 'train_cfg.max_epochs=4') == 0
        assert f'Resuming from the newest whole checkpoint, {harmed}/epoch_4.pth' in newest_log(
            harmed
        )

    def test_named_one__is_not_replaced_by_another(self, train, trained, capsys):
        _, harmed = trained
        cut(harmed / 'epoch_2.pth')
        assert train('harmed', f'--resume={harmed}/epoch_2.pth') == 1
        error = capsys.readouterr().err
        assert 'epoch_2.pth" is cut short or corrupt' in error and 'Traceback' not in error


def folder(path, _):
    path.unlink()
    path.mkdir()


def dangling(path, _):
    path.unlink()
    path.symlink_to(path.with_name('unmounted'))


def disk_error(path, _):
    """Reading at the beginning of it gives EIO."""
    path.unlink()
    path.symlink_to('/proc/self/mem')


def no_permission(path, monkeypatch):
    def refuse(name, *args, **kwargs):
        if str(name) == str(path):
            raise PermissionError(errno.EACCES, 'Permission denied', name)
        return opened(name, *args, **kwargs)

    opened = open
    monkeypatch.setattr('builtins.open', refuse)


class TestCanNotBeRead:
    """A disk that does not answer is no reason to begin anew over one's own checkpoints."""

    @pytest.mark.parametrize('trouble', [folder, dangling, disk_error, no_permission])
    @pytest.mark.parametrize('name', ['epoch_4.pth', 'last_checkpoint'])
    def test_stops_with_the_path__and_changes_nothing(
        self, train, trained, capsys, monkeypatch, trouble, name
    ):
        _, harmed = trained
        trouble(harmed / name, monkeypatch)
        before = (harmed / 'epoch_1.pth').stat().st_mtime_ns
        assert train('harmed', '--resume') == 1
        error = capsys.readouterr().err
        assert f'{harmed}/{name}: can not be read' in error and 'Traceback' not in error
        assert (harmed / 'epoch_1.pth').stat().st_mtime_ns == before

    def test_folder_that_can_not_be_listed(self, train, trained, capsys, monkeypatch):
        _, harmed = trained

        def fail(path):
            raise OSError(errno.EIO, 'Input/output error', path)

        monkeypatch.setattr('rcl_mm.runtime.find_checkpoint.os.listdir', fail)
        assert train('harmed', '--resume') == 1
        assert f'{harmed}: can not be read (Input/output error)' in capsys.readouterr().err

    def test_note_names_a_file_that_is_gone_and_there_is_no_other(self, train, trained, capsys):
        _, harmed = trained
        for path in harmed.glob('*.pth'):
            path.unlink()
        (harmed / 'last_checkpoint').write_text('/mnt/gone/epoch_4.pth')
        assert train('harmed', '--resume') == 1
        error = capsys.readouterr().err
        assert 'last_checkpoint: names /mnt/gone/epoch_4.pth, which is not there' in error
        assert not list(harmed.glob('*.pth'))


class TestNewestWholeCheckpoint:
    def test_by_what_was_trained__not_by_name_or_time(self, trained):
        _, harmed = trained
        (harmed / 'epoch_4.pth').rename(harmed / 'a.pth')
        (harmed / 'epoch_1.pth').touch()
        assert newest_whole_checkpoint(str(harmed)).endswith('a.pth')

    def test_a_run_started_anew_in_the_same_folder__its_own_files_first(self, trained):
        _, harmed = trained
        for number in (1, 2):
            path = harmed / f'epoch_{number}.pth'
            checkpoint = torch.load(path, weights_only=True)
            checkpoint['resume_state']['run'] = 'another one'
            torch.save(checkpoint, path)
        (harmed / 'last_checkpoint').write_text(str(harmed / 'epoch_1.pth'))
        assert newest_whole_checkpoint(str(harmed)).endswith('epoch_2.pth')
        # Killed before the note was written: the youngest file tells.
        (harmed / 'last_checkpoint').unlink()
        assert newest_whole_checkpoint(str(harmed)).endswith('epoch_2.pth')

    def test_other_files__are_passed_over(self, trained):
        _, harmed = trained
        others = [torch.zeros(3), [1], {'meta': 'text'}, {'meta': {'iter': None, 'epoch': '1'}}]
        for number, content in enumerate(others):
            torch.save(content, harmed / f'other_{number}.pth')
        assert newest_whole_checkpoint(str(harmed)).endswith('epoch_4.pth')

    def test_best_ones__have_no_optimizer_and_do_not_count(self, trained, tmp_path):
        _, harmed = trained
        for path in harmed.glob('epoch_*.pth'):
            path.unlink()
        assert list(harmed.glob('best_*.pth'))
        assert newest_whole_checkpoint(str(harmed)) is None
        assert newest_whole_checkpoint(str(tmp_path / 'none')) is None
