"""Whether a checkpoint's zip archive is whole: every byte that a loader relies on is checked.

The checksums of the format cover the contents alone. A wrong bit in the list of files at the end
can turn a file into a folder, which torch then does not read, or move where a file begins. So all
that is said twice must agree, what is said once must be what torch writes, and the files must lie
one after the other without a gap.
"""

import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, List, NamedTuple, Optional, Union

LOCAL = struct.Struct('<4s5H3I2H')
CENTRAL = struct.Struct('<4s6H3I5H2I')
END = struct.Struct('<4s4H2IH')
END_64 = struct.Struct('<4sQ2H2I4Q')
LOCATOR = struct.Struct('<4sIQI')
STREAMED = 1 << 3  # sizes and checksum follow the contents
ENCRYPTED = 1 << 0
STORED, DEFLATED = 0, 8
FOLDER = 1 << 4
ZIP64_EXTRA = 1
IN_ZIP64 = 0xFFFFFFFF
PIECE = 1 << 22
WRONG_CHECKSUMS = 'its checksums are wrong'


class _Damage(Exception):
    """What is wrong with an archive."""


class _Entry(NamedTuple):
    """A file of the archive as the list at the end has it; sizes in bytes."""

    name: bytes
    flags: int
    method: int
    checksum: int
    packed: int
    unpacked: int
    start: int


def looks_like_zip(path: Union[str, Path]) -> bool:
    """Whether a file begins as torch's archives do (older formats of torch are plain pickles)."""
    with open(path, 'rb') as file:
        return file.read(4) == b'PK\x03\x04'


def zip_damage(path: Union[str, Path], weights: bool = True) -> Optional[str]:
    """What is wrong with a zip archive, or None if it is whole.

    Args:
        path (str | Path): The archive.
        weights (bool): Also read the largest part, the tensors below ``data/``, for their
            checksums. Defaults to True.

    Raises:
        OSError: If the file can not be read.
    """
    with open(path, 'rb') as file:
        try:
            entries, end = _list_of_files(file, os.fstat(file.fileno()).st_size)
            position = 0
            for entry in sorted(entries, key=lambda one: one.start):
                if entry.start != position:
                    raise _Damage(f'there is a gap before {_shown(entry)}')
                begin, position = _bounds(file, entry, end)
                if weights or b'/data/' not in entry.name:
                    _check_contents(file, entry, begin)
            if position != end:
                raise _Damage('there is a gap before the list of files')
        except _Damage as damage:
            return str(damage)
    return None


def _list_of_files(file: BinaryIO, size: int) -> tuple:
    """The files and where their list begins, from the records at the end."""
    last = size - END.size
    signature, disk, first_disk, here, count, length, start, comment = _unpack(END, file, last)
    if signature != b'PK\x05\x06' or disk or first_disk or here != count or comment:
        raise _Damage('its end is missing or damaged')
    numbers = (count, length, start)
    if last >= LOCATOR.size:
        locator, disk, at, disks = _unpack(LOCATOR, file, last - LOCATOR.size)
        if locator == b'PK\x06\x07':
            wide = _unpack(END_64, file, at)
            fits = at + END_64.size == last - LOCATOR.size and wide[1] == END_64.size - 12
            if wide[0] != b'PK\x06\x06' or not fits or disk or disks != 1:
                raise _Damage('its end is damaged')
            if wide[4] or wide[5] or wide[6] != wide[7]:
                raise _Damage('its end is damaged')
            narrow, numbers, last = numbers, wide[7:], at
            for small, large, limit in zip(narrow, numbers, (0xFFFF, IN_ZIP64, IN_ZIP64)):
                if small != min(large, limit) and small != limit:
                    raise _Damage('its end is damaged')
    count, length, start = numbers
    if start + length != last:
        raise _Damage('its list of files is not where it should be')
    entries: List[_Entry] = []
    at = start
    while at < last:
        entry, at = _central_entry(file, at)
        entries.append(entry)
    if at != last or len(entries) != count:
        raise _Damage('its list of files is damaged')
    return entries, start


def _central_entry(file: BinaryIO, at: int) -> tuple:
    fields = _unpack(CENTRAL, file, at)
    signature, _, _, flags, method, _, _, checksum, packed, unpacked = fields[:10]
    name_size, extra_size, comment_size, disk, _, attributes, start = fields[10:]
    name = _read(file, at + CENTRAL.size, name_size)
    extra = _read(file, at + CENTRAL.size + name_size, extra_size)
    known = method in (STORED, DEFLATED) and not flags & ENCRYPTED
    if signature != b'PK\x01\x02' or not known or disk or attributes & FOLDER:
        raise _Damage(f'the entry of {name!r} is damaged')
    wide = _zip64_numbers(extra)
    numbers = [
        (wide.pop(0) if wide else IN_ZIP64) if number == IN_ZIP64 else number
        for number in (unpacked, packed, start)
    ]
    entry = _Entry(name, flags, method, checksum, numbers[1], numbers[0], numbers[2])
    return entry, at + CENTRAL.size + name_size + extra_size + comment_size


def _zip64_numbers(extra: bytes) -> List[int]:
    """Numbers that do not fit into 32 bits."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from('<2H', extra)
        if kind == ZIP64_EXTRA:
            return list(struct.unpack_from(f'<{min(size, len(extra) - 4) // 8}Q', extra, 4))
        extra = extra[4 + size :]
    return []


def _bounds(file: BinaryIO, entry: _Entry, end: int) -> tuple:
    """Where the contents of a file begin, and where the next file does."""
    signature, _, flags, method, _, _, checksum, packed, unpacked, name_size, extra_size = _unpack(
        LOCAL, file, entry.start
    )
    name = _read(file, entry.start + LOCAL.size, name_size)
    if (signature, name, flags, method) != (b'PK\x03\x04', entry.name, entry.flags, entry.method):
        raise _Damage(f'the head of {_shown(entry)} is damaged')
    begin = entry.start + LOCAL.size + name_size + extra_size
    after = begin + entry.packed
    if after > end:
        raise _Damage(f'{_shown(entry)} is cut short')
    wanted = (entry.checksum, entry.packed, entry.unpacked)
    if not flags & STREAMED:
        wide = IN_ZIP64 in (packed, unpacked)
        if checksum != wanted[0] or not (wide or (packed, unpacked) == wanted[1:]):
            raise _Damage(f'the head of {_shown(entry)} is damaged')
        return begin, after
    if (checksum, packed, unpacked) not in ((0, 0, 0), wanted):
        raise _Damage(f'the head of {_shown(entry)} is damaged')
    for form in ('<3I', '<I2Q'):
        follows = b'PK\x07\x08' + struct.pack(form, *wanted) if _fits(form, wanted) else None
        if follows and _read(file, after, len(follows)) == follows:
            return begin, after + len(follows)
    raise _Damage(f'the end of {_shown(entry)} is damaged')


def _fits(form: str, numbers: tuple) -> bool:
    return form != '<3I' or max(numbers) <= IN_ZIP64


def _check_contents(file: BinaryIO, entry: _Entry, begin: int) -> None:
    unpack = zlib.decompressobj(-zlib.MAX_WBITS) if entry.method == DEFLATED else None
    checksum = size = 0
    file.seek(begin)
    left = entry.packed
    while left:
        piece = file.read(min(PIECE, left))
        if not piece:
            raise _Damage(f'{_shown(entry)} is cut short')
        left -= len(piece)
        try:
            piece = unpack.decompress(piece) if unpack else piece
        except zlib.error as error:
            raise _Damage(f'{_shown(entry)}: {error}') from None
        checksum = zlib.crc32(piece, checksum)
        size += len(piece)
    if (checksum, size) != (entry.checksum, entry.unpacked):
        raise _Damage(WRONG_CHECKSUMS)


def _shown(entry: _Entry) -> str:
    return entry.name.decode('utf-8', 'replace')


def _unpack(form: struct.Struct, file: BinaryIO, at: int) -> tuple:
    return form.unpack(_read(file, at, form.size))


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    if at < 0 or at > os.fstat(file.fileno()).st_size:
        raise _Damage('it is cut short')
    file.seek(at)
    data = file.read(size)
    if len(data) != size:
        raise _Damage('it is cut short')
    return data
