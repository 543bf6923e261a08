"""Checkpoints load without ever running code from them."""

import os
import pickle
import random
import zipfile

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader, _load_checkpoint

from rcl_mm.runtime.checkpoint import (
    CheckpointError,
    is_whole,
    load_checkpoint_file,
    register_safe_loading,
)
from rcl_mm.runtime.safe_globals import SAFE_GLOBALS

RECONSTRUCT = np.arange(2).__reduce__()[0]


class Wants:
    """Pickles as a call of any function with any arguments, and a state for what comes out."""

    def __init__(self, function, *arguments, state=None):
        self.call = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.call


def array_of(shape, dtype, data):
    """A numpy array's pickle with a state of choice."""
    empty = (np.ndarray, (0,), b'b')
    return Wants(RECONSTRUCT, *empty, state=(1, shape, dtype, False, data))


def history():
    buffer = HistoryBuffer()
    for value in (3.0, 1.0, 2.0):
        buffer.update(value)
    return buffer


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    content = {
        'meta': {
            'epoch': 1,
            'dataset_meta': {'classes': ('a', 'b'), 'class_counts': np.array([5, 2])},
            'score': np.float32(0.5),
            'flags': np.array([True, False]),
        },
        'state_dict': {'weight': torch.arange(4.0), 'half': torch.ones(2, dtype=torch.bfloat16)},
        'message_hub': {'log_scalars': {'train/loss': history()}, 'runtime_info': {'cfg': 'a = 1'}},
    }
    torch.save(content, path)
    return path


class TestLoadCheckpointFile:
    def test_mmengine_checkpoint__history_arrays_and_scalars_come_back(self, checkpoint):
        loaded = load_checkpoint_file(checkpoint)
        assert loaded['message_hub']['log_scalars']['train/loss'].min() == 1.0
        assert loaded['meta']['dataset_meta']['class_counts'].tolist() == [5, 2]
        assert loaded['meta']['score'] == 0.5
        assert loaded['meta']['flags'].dtype == bool
        assert torch.equal(loaded['state_dict']['weight'], torch.arange(4.0))

    def test_without_the_allow_list__torch_refuses_the_same_file(self, checkpoint):
        known = torch.serialization.get_safe_globals()
        torch.serialization.clear_safe_globals()
        try:
            with pytest.raises(pickle.UnpicklingError):
                torch.load(checkpoint, weights_only=True)
        finally:
            torch.serialization.add_safe_globals(known)

    def test_registering_twice__adds_nothing(self):
        before = len(torch.serialization.get_safe_globals())
        register_safe_loading()
        assert len(torch.serialization.get_safe_globals()) == before

    @pytest.mark.parametrize('name', ['numpy.core.multiarray', 'numpy._core.multiarray'])
    def test_names_of_numpy_1_and_2__both_load(self, checkpoint, tmp_path, name):
        path = tmp_path / 'renamed.pth'
        with zipfile.ZipFile(checkpoint) as source, zipfile.ZipFile(path, 'w') as target:
            for item in source.namelist():
                data = source.read(item)
                if item.endswith('data.pkl'):
                    for old in (b'numpy._core.multiarray', b'numpy.core.multiarray'):
                        data = data.replace(old, name.encode())
                target.writestr(item, data)
        assert load_checkpoint_file(path)['meta']['dataset_meta']['class_counts'].tolist() == [5, 2]

    @pytest.mark.parametrize(
        ('hostile', 'wanted'),
        [
            (Wants(os.system, 'touch {marker}'), 'system'),
            (Wants(eval, "open({marker!r}, 'w')"), 'eval'),
            (Wants(exec, "open({marker!r}, 'w')"), 'exec'),
            (Wants(getattr, HistoryBuffer, '__init__'), "'__init__'"),
            (Wants(getattr, torch.Tensor, 'numpy'), "'numpy'"),
            (Wants(getattr, np.ndarray, 'tofile'), "'tofile'"),
            (Wants(np.dtype, 'O'), 'object'),
            (Wants(np.load, '{marker}'), 'load'),
            (np.array([print], dtype=object), 'object'),
            (np.zeros(2, dtype=[('a', 'i4'), ('b', 'O')]), 'data type'),
            (Wants(np.ndarray, (10,), 'O', b'A' * 80), 'memory of its choice'),
            (Wants(np.ndarray, (3,), 'O'), 'memory of its choice'),
            (Wants(np.ndarray, (3,), 'i8'), 'memory of its choice'),
            (array_of((2,), np.dtype('O'), [1, 2]), 'data type'),
            (array_of((10,), np.dtype('i8'), b'123'), 'shape'),
            (array_of((-1,), np.dtype('i8'), b'12345678'), 'shape'),
            (array_of((2**62, 4), np.dtype('i8'), b'1'), 'shape'),
            (Wants(bytes, 10), 'bytes'),
        ],
        ids=lambda value: value if isinstance(value, str) else type(value).__name__,
    )
    def test_hostile_checkpoint__is_refused_by_name_and_runs_nothing(
        self, tmp_path, hostile, wanted
    ):
        marker = tmp_path / 'was_here'
        if isinstance(hostile, Wants):
            function, arguments, *state = hostile.call
            arguments = tuple(
                a.format(marker=str(marker)) if isinstance(a, str) and 'marker' in a else a
                for a in arguments
            )
            hostile = Wants(function, *arguments, state=state[0] if state else None)
        path = tmp_path / 'hostile.pth'
        torch.save({'state_dict': {}, 'meta': hostile}, path)
        with pytest.raises(CheckpointError, match='is refused') as caught:
            load_checkpoint_file(path)
        assert wanted in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1
        assert not marker.exists()

    @pytest.mark.parametrize(
        'value',
        [
            np.arange(6, dtype='>i4').reshape(2, 3),
            np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            np.zeros((0, 3)),
            np.array(3.5),
            np.array(['a', 'bcd']),
            np.array([b'x', b'yz']),
            np.array(['2020-01-01', 'NaT'], dtype='M8[D]'),
            np.timedelta64(3, 'h'),
            np.datetime64('2020-01-01T00:00:01', 's'),
            np.str_('abc'),
            np.complex64(1 + 2j),
        ],
        ids=lambda value: f'{type(value).__name__}-{value.dtype}',
    )
    def test_plain_values__come_back_and_can_be_saved_again(self, tmp_path, value):
        path = tmp_path / 'value.pth'
        for _ in range(2):
            torch.save({'value': value}, path)
            loaded = load_checkpoint_file(path)['value']
            np.testing.assert_array_equal(loaded, value)
            # As by numpy itself: in this machine's byte order.
            assert loaded.dtype == value.dtype.newbyteorder('=')
            assert np.shape(loaded) == np.shape(value)
            plain = np.ndarray if isinstance(value, np.ndarray) else type(value)
            assert type(pickle.loads(pickle.dumps(loaded))) is plain
            value = loaded

    def test_item_size_from_the_file__is_not_taken(self, tmp_path):
        """Of a data type only its text counts: numpy would read before the array's memory."""
        path = tmp_path / 'size.pth'
        state = (3, '|', None, None, None, -8, 1, 0)
        dtype = Wants(np.dtype, 'S8', False, True, state=state)
        scalar = np.float64(1).__reduce__()[0]
        torch.save({'value': Wants(scalar, dtype, b'12345678')}, path)
        assert load_checkpoint_file(path)['value'] == b'12345678'

    def test_one_wrong_bit_in_a_weight__is_refused(self, checkpoint):
        data = bytearray(checkpoint.read_bytes())
        data[data.find(torch.arange(4.0).numpy().tobytes()) + 7] ^= 64
        checkpoint.write_bytes(data)
        with pytest.raises(CheckpointError, match='is corrupt: its checksums are wrong'):
            load_checkpoint_file(checkpoint)

    def test_config_text_that_mmengine_would_execute__is_dropped(self, tmp_path):
        path = tmp_path / 'config.pth'
        code = 'import os\nraise SystemExit("the config was executed")'
        torch.save(
            {
                'meta': {'config': code, 'cfg': 'a = 1'},
                'message_hub': {'runtime_info': {'cfg': code}},
            },
            path,
        )
        loaded = load_checkpoint_file(path)
        assert loaded == {'meta': {'cfg': 'a = 1'}, 'message_hub': {'runtime_info': {}}}

    @pytest.mark.parametrize('keep', [0, 10, 0.5, 0.99])
    def test_cut_short__says_so_in_one_line(self, checkpoint, keep):
        data = checkpoint.read_bytes()
        checkpoint.write_bytes(data[: int(keep * len(data)) if keep < 1 else keep])
        with pytest.raises(CheckpointError, match='cut short or corrupt') as caught:
            load_checkpoint_file(checkpoint)
        assert len(str(caught.value).splitlines()) == 1
        assert not is_whole(checkpoint)

    def test_any_wrong_bit__is_refused_in_one_line_or_changes_nothing(self, checkpoint):
        """Headers, list of files and end records too: torch takes them as they are."""
        whole = load_checkpoint_file(checkpoint)
        data = checkpoint.read_bytes()
        refused = 0
        for bit in random.Random(0).sample(range(8 * len(data)), 2000):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            checkpoint.write_bytes(flipped)
            try:
                loaded = load_checkpoint_file(checkpoint)
            except CheckpointError as error:
                refused += 1
                assert '\n' not in str(error)
                continue
            assert loaded['meta'].keys() == whole['meta'].keys()
            assert loaded['meta']['dataset_meta']['class_counts'].tolist() == [5, 2]
            for name, tensor in whole['state_dict'].items():
                assert torch.equal(loaded['state_dict'][name], tensor)
        assert refused > 1000

    def test_bit_that_makes_weights_a_folder__is_refused(self, checkpoint):
        """torch would read nothing and give memory that was never filled."""
        data = bytearray(checkpoint.read_bytes())
        entry = data.rfind(b'PK\x01\x02', 0, data.rfind(b'/data/0'))
        data[entry + 38] |= 0x10
        checkpoint.write_bytes(data)
        for mmap in (True, False):
            with pytest.raises(CheckpointError, match='the entry of .*data/0.* is damaged'):
                load_checkpoint_file(checkpoint, mmap=mmap)

    def test_rewritten_by_another_program__is_whole(self, checkpoint, tmp_path):
        """Other tools write other headers, and may compress."""
        path = tmp_path / 'packed.pth'
        with (
            zipfile.ZipFile(checkpoint) as source,
            zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as target,
        ):
            for item in source.namelist():
                target.writestr(item, source.read(item))
        assert is_whole(path)
        assert torch.equal(load_checkpoint_file(path)['state_dict']['weight'], torch.arange(4.0))

    def test_can_not_be_read__is_another_thing_than_damaged(self, checkpoint, tmp_path):
        (tmp_path / 'folder.pth').mkdir()
        (tmp_path / 'memory.pth').symlink_to('/proc/self/mem')
        (tmp_path / 'dangling.pth').symlink_to('nowhere')
        os.mkfifo(tmp_path / 'pipe.pth')
        for name in ('folder.pth', 'memory.pth', 'dangling.pth', 'pipe.pth'):
            with pytest.raises(OSError, match='can not be read .*; nothing is changed') as error:
                load_checkpoint_file(tmp_path / name)
            assert error.value.filename == str(tmp_path / name)

    def test_missing__names_the_path(self, tmp_path):
        with pytest.raises(FileNotFoundError, match='nothing.pth'):
            load_checkpoint_file(tmp_path / 'nothing.pth')


class TestIsWhole:
    def test_whole(self, checkpoint):
        assert is_whole(checkpoint)

    def test_one_flipped_bit_in_a_weight__is_found(self, checkpoint):
        data = bytearray(checkpoint.read_bytes())
        position = data.find(torch.arange(4.0).numpy().tobytes())
        assert position > 0
        data[position + 5] ^= 1
        checkpoint.write_bytes(data)
        assert not is_whole(checkpoint)

    def test_damage_anywhere__is_found_or_harmless(self, checkpoint):
        """Headers of the archive too, whose damage makes Python's reader raise anything."""
        whole = checkpoint.read_bytes()
        for position in range(0, len(whole), 7):
            data = bytearray(whole)
            data[position] ^= 1 << position % 8
            checkpoint.write_bytes(data)
            assert is_whole(checkpoint) in (True, False)


class TestLoaders:
    def test_mmengine_loads_through_the_safe_loader(self, tmp_path):
        path = tmp_path / 'hostile.pth'
        torch.save({'meta': Wants(os.system, 'true')}, path)
        with pytest.raises(CheckpointError, match='posix.system'):
            _load_checkpoint(str(path))

    def test_url__is_loaded_safely_too(self, tmp_path, monkeypatch):
        """torch.hub does not limit what is unpickled unless told to."""
        marker = tmp_path / 'was_here'
        path = tmp_path / 'cached.pth'
        torch.save({'meta': Wants(os.system, f'touch {marker}')}, path)
        monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'hub'))
        with pytest.raises(CheckpointError, match='is refused.*system'):
            _load_cached(path)
        assert not marker.exists()


def _load_cached(path):
    """Load an http URL whose file is already in torch's cache, so that no network is needed."""
    folder = os.path.join(os.environ['TORCH_HOME'], 'hub', 'checkpoints')
    os.makedirs(folder)
    os.replace(path, os.path.join(folder, 'cached.pth'))
    return CheckpointLoader.load_checkpoint('http://localhost/cached.pth')


class TestStandIns:
    """What answers for functions that newer torch allows by itself."""

    @staticmethod
    def stand_in(name):
        return next(f for f in SAFE_GLOBALS if f'{f.__module__}.{f.__qualname__}' == name)

    def test_encode__is_how_bytes_are_pickled(self):
        assert self.stand_in('_codecs.encode')('\xe9a', 'latin1') == b'\xe9a'

    @pytest.mark.parametrize('arguments', [('a', 'rot13'), (b'a', 'latin1'), ('a', 'zip')])
    def test_encode__nothing_else(self, arguments):
        with pytest.raises(pickle.UnpicklingError, match='asks for encode'):
            self.stand_in('_codecs.encode')(*arguments)

    @pytest.mark.parametrize('number', [1, 2])
    def test_arrays_and_scalars__of_both_numpy_versions(self, number):
        prefix = {1: 'numpy.core', 2: 'numpy._core'}[number]
        reconstruct = self.stand_in(f'{prefix}.multiarray._reconstruct')
        array = reconstruct(np.ndarray, (0,), b'b')
        assert array.shape == (0,) and isinstance(array, np.ndarray)
        with pytest.raises(pickle.UnpicklingError, match='asks for an array of type'):
            reconstruct(np.matrix, (0,), b'b')
        scalar = self.stand_in(f'{prefix}.multiarray.scalar')
        assert scalar(np.dtype('<f8'), bytes(8)) == 0.0
        with pytest.raises(pickle.UnpicklingError, match='asks for the data type object'):
            scalar(np.dtype('O'), None)
