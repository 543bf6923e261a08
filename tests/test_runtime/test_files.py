"""Files that are either there as a whole or not at all."""

import os
import resource
import socket
import stat
import threading

import pytest

from rcl_mm.runtime.files import (
    TEMPORARY_PREFIX,
    AtomicLocalBackend,
    remove_unfinished,
    replacing,
    write_atomically,
)


@pytest.fixture
def small_files_only():
    """As a full disk: no file may grow beyond 1,000 bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class TestWriteAtomically:
    def test_new_file_in_a_new_folder(self, tmp_path):
        path = tmp_path / 'a' / 'b.bin'
        write_atomically(b'content', path)
        assert path.read_bytes() == b'content'
        assert os.listdir(path.parent) == ['b.bin']

    def test_replaces_the_old_one(self, tmp_path):
        path = tmp_path / 'b.bin'
        for content in (b'old', b'new'):
            write_atomically(content, path)
        assert path.read_bytes() == b'new'

    def test_mode_is_that_of_other_files(self, tmp_path):
        write_atomically(b'', tmp_path / 'ours')
        (tmp_path / 'other').touch()
        modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ('ours', 'other')}
        assert len(modes) == 1

    def test_synced_before_it_is_renamed__and_the_folder_after(self, tmp_path, monkeypatch):
        calls = []
        monkeypatch.setattr(os, 'fsync', lambda descriptor: calls.append('sync'))
        replace = os.replace
        monkeypatch.setattr(os, 'replace', lambda *a: (calls.append('rename'), replace(*a)))
        write_atomically(b'content', tmp_path / 'b.bin')
        assert calls == ['sync', 'rename', 'sync']

    def test_full_disk__old_file_is_untouched_and_nothing_is_left(self, tmp_path, small_files_only):
        path = tmp_path / 'b.bin'
        write_atomically(b'old', path)
        with pytest.raises(OSError, match=r'could not write 5,000 bytes \(no space left\)') as full:
            write_atomically(bytes(5000), path)
        assert full.value.filename == str(path)
        assert path.read_bytes() == b'old'
        assert os.listdir(tmp_path) == ['b.bin']

    def test_stopped_while_writing__nothing_is_left(self, tmp_path, monkeypatch):
        monkeypatch.setattr(os, 'fsync', lambda descriptor: (_ for _ in ()).throw(SystemExit(1)))
        with pytest.raises(SystemExit):
            write_atomically(b'content', tmp_path / 'b.bin')
        assert os.listdir(tmp_path) == []

    def test_folder_that_is_a_file(self, tmp_path):
        (tmp_path / 'a').touch()
        with pytest.raises(OSError, match='could not write 1 bytes'):
            write_atomically(b'x', tmp_path / 'a' / 'b.bin')


class TestReplacing:
    def test_new_file_in_a_new_folder(self, tmp_path):
        path = tmp_path / 'a' / 'b.json'
        with replacing(path) as unfinished:
            unfinished.write_text('new')
            assert not path.exists() and unfinished.suffix == '.json'
        assert path.read_text() == 'new'
        assert os.listdir(path.parent) == ['b.json']

    def test_old_file_is_there_until_the_end(self, tmp_path):
        path = tmp_path / 'b.json'
        path.write_text('old')
        with replacing(path) as unfinished:
            unfinished.write_text('new')
            assert path.read_text() == 'old'
        assert path.read_text() == 'new'

    @pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt])
    def test_stopped_while_writing__old_file_and_nothing_else(self, tmp_path, error):
        path = tmp_path / 'b.json'
        path.write_text('old')
        with pytest.raises(error), replacing(path) as unfinished:
            unfinished.write_text('ne')
            raise error
        assert path.read_text() == 'old'
        assert os.listdir(tmp_path) == ['b.json']

    def test_full_disk__names_the_file(self, tmp_path, small_files_only):
        path = tmp_path / 'b.json'
        path.write_text('old')
        with pytest.raises(OSError, match='can not be written') as full:
            with replacing(path) as unfinished:
                unfinished.write_bytes(bytes(5000))
        assert full.value.filename == str(path)
        assert path.read_text() == 'old'
        assert os.listdir(tmp_path) == ['b.json']

    def test_a_run_that_starts__leaves_what_a_test_is_writing(self, tmp_path):
        with replacing(tmp_path / 'results.json') as unfinished:
            unfinished.touch()
            assert remove_unfinished(tmp_path) == []
        assert os.listdir(tmp_path) == ['results.json']

    def test_two_writers_of_one_file__each_whole(self, tmp_path):
        with replacing(tmp_path / 'a') as one, replacing(tmp_path / 'a') as other:
            one.write_text('one')
            other.write_text('other')
        assert (tmp_path / 'a').read_text() == 'one' and os.listdir(tmp_path) == ['a']


def write_all(data, path):
    write_atomically(data, path)


def replace_all(data, path):
    with replacing(path) as unfinished:
        unfinished.write_bytes(data)


@pytest.mark.parametrize('write', [write_all, replace_all])
class TestWhatIsNoPlainFile:
    """Both ways of writing replace plain files alone."""

    def test_device__is_written_to(self, tmp_path, write):
        before = os.stat('/dev/null')
        write(b'content', '/dev/null')
        (tmp_path / 'link').symlink_to('/dev/null')
        write(b'content', tmp_path / 'link')
        after = os.stat('/dev/null')
        assert stat.S_ISCHR(after.st_mode) and after.st_ino == before.st_ino
        assert os.listdir(tmp_path) == ['link'] and (tmp_path / 'link').is_symlink()

    def test_pipe__reader_gets_all(self, tmp_path, write):
        os.mkfifo(tmp_path / 'pipe')
        got = []
        reader = threading.Thread(target=lambda: got.append((tmp_path / 'pipe').read_bytes()))
        reader.start()
        write(bytes(100_000), tmp_path / 'pipe')
        reader.join(10)
        assert got == [bytes(100_000)] and stat.S_ISFIFO((tmp_path / 'pipe').stat().st_mode)

    @pytest.mark.parametrize('kind', ['pipe', 'socket', 'file'])
    def test_descriptor__is_written_to(self, tmp_path, write, kind):
        if kind == 'pipe':
            read, write_end = os.pipe()
        elif kind == 'socket':
            read, write_end = (one.detach() for one in socket.socketpair())
        else:
            write_end = os.open(tmp_path / 'log', os.O_RDWR | os.O_CREAT)
            os.write(write_end, b'before ')
            read = os.open(tmp_path / 'log', os.O_RDONLY)
        for folder in ('/dev/fd', '/proc/self/fd'):
            write(b'content', f'{folder}/{write_end}')
        os.close(write_end)
        expected = b'before contentcontent' if kind == 'file' else b'contentcontent'
        assert os.read(read, 100) == expected
        os.close(read)

    @pytest.mark.parametrize('there', [True, False])
    def test_link_to_a_file__stays_and_the_file_is_replaced(self, tmp_path, write, there):
        (tmp_path / 'disk').mkdir()
        target = tmp_path / 'disk/real'
        if there:
            target.write_text('old')
        (tmp_path / 'one').symlink_to('disk/real')
        (tmp_path / 'two').symlink_to('one')
        write(b'new', tmp_path / 'two')
        assert target.read_text() == 'new' and not target.is_symlink()
        assert (tmp_path / 'one').is_symlink() and (tmp_path / 'two').is_symlink()
        assert os.listdir(tmp_path / 'disk') == ['real']

    def test_folder__is_refused_and_stays(self, tmp_path, write):
        (tmp_path / 'folder').mkdir()
        with pytest.raises(OSError, match='folder'):
            write(b'content', tmp_path / 'folder')
        assert os.listdir(tmp_path) == ['folder']


class TestRemoveUnfinished:
    def test_only_unfinished_checkpoints_go(self, tmp_path):
        for name in ('epoch_1.pth', f'{TEMPORARY_PREFIX}x-epoch_2.pth'):
            (tmp_path / name).touch()
        results = f'{TEMPORARY_PREFIX}x-results.json'
        (tmp_path / results).touch()
        assert remove_unfinished(tmp_path) == [f'{TEMPORARY_PREFIX}x-epoch_2.pth']
        assert sorted(os.listdir(tmp_path)) == [results, 'epoch_1.pth']

    def test_no_folder(self, tmp_path):
        assert remove_unfinished(tmp_path / 'none') == []


class TestAtomicLocalBackend:
    def test_removals_wait_for_the_end(self, tmp_path):
        backend, path = AtomicLocalBackend(), tmp_path / 'a'
        path.touch()
        with backend.removals_at_the_end():
            backend.remove(path)
            assert path.exists()
        assert not path.exists()

    def test_after_an_error__nothing_is_removed(self, tmp_path):
        backend, path = AtomicLocalBackend(), tmp_path / 'a'
        path.touch()
        with pytest.raises(OSError), backend.removals_at_the_end():
            backend.remove(path)
            raise OSError('full')
        assert path.exists()
        backend.remove(path)
        assert not path.exists()
