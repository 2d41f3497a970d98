"""The file format of a backup: a plain tar that `tar`, `gunzip` and `sha256sum` can open, and a strict reader of it.

The reader takes what the writer writes and nothing else: plain files under known names, each once and of the size and
digest that the manifest states. Links, devices, paths that lead elsewhere and sparse files have no way in.
"""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, BinaryIO

from flyball_runtime.errors import BadInput

__all__ = ["CHUNK", "BackupDamaged", "Member", "TarWriter", "read_members", "unpack"]

CHUNK = 1 << 20
_BLOCK = 512
_RECORD = 20 * _BLOCK


class BackupDamaged(BadInput):
    """The file is not a whole backup: cut short, changed, or not made by `flyball backup`. Nothing was restored."""

    code = "FB-BACKUP-001"


class TarWriter:
    """Writes members one after another; `digest` is the SHA-256 of the file once `close` was called."""

    def __init__(self, file: IO[bytes], *, time: int) -> None:
        self._file = file
        self._time = time
        self._hash = hashlib.sha256()
        self.size = 0

    def add(self, name: str, size: int, source: IO[bytes], *, mode: int = 0o600) -> None:
        """Add `size` bytes of `source`. Raises ValueError when it has fewer or more."""
        header = tarfile.TarInfo(name)
        header.size, header.mode, header.mtime = size, mode, self._time
        block = header.tobuf(tarfile.GNU_FORMAT, "ascii", "strict")
        if len(block) != _BLOCK:
            raise ValueError(f"a name too long for one header: {name}")
        self._put(block)
        left = size
        while left > 0 and (chunk := source.read(min(left, CHUNK))):
            self._put(chunk)
            left -= len(chunk)
        if left or source.read(1):  # the last read also lets a source that checks itself come to its end
            raise ValueError(f"{name} is not of {size} bytes")
        self._put(bytes(-size % _BLOCK))

    def close(self) -> str:
        """Write the end mark; return the digest of the whole file."""
        self._put(bytes(2 * _BLOCK + -(self.size + 2 * _BLOCK) % _RECORD))
        return self._hash.hexdigest()

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a backup while it is read: its name, its stored size, and `read(size)` for its content."""

    name: str
    size: int
    read: Callable[[int], bytes]


def read_members(file: BinaryIO, where: str) -> Iterator[Member]:
    """The members in order; what one does not read of its content is passed over. Raises BackupDamaged."""
    seen: set[str] = set()
    while True:
        block = _exactly(file, _BLOCK, where)
        if not block.strip(b"\0"):
            _check_end(file, where)
            return
        try:
            header = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        except (tarfile.HeaderError, UnicodeError) as error:
            raise damaged(where, f"a header in it cannot be read ({error})") from error
        if header.type != tarfile.REGTYPE or header.size < 0:
            raise damaged(where, f"{header.name!a} in it is not a plain file")
        if header.name in seen:
            raise damaged(where, f"{header.name!a} is in it twice")
        seen.add(header.name)
        content = _Content(file, header.size, where)
        yield Member(header.name, header.size, content.read)
        while content.read(CHUNK):
            pass
        _exactly(file, -header.size % _BLOCK, where)


class _Content:
    """The next `size` bytes of a file."""

    def __init__(self, file: BinaryIO, size: int, where: str) -> None:
        self._file, self._left, self._where = file, size, where

    def read(self, size: int) -> bytes:
        data = _exactly(self._file, min(size, self._left), self._where)
        self._left -= len(data)
        return data


def unpack(member: Member, target: IO[bytes], *, size: int, packed: bool, where: str) -> str:
    """Write a member's content to `target`; return its digest. Never writes more than `size` bytes.

    Raises BackupDamaged when it is not `size` bytes long.
    """
    digest, written = hashlib.sha256(), 0
    for data in _unzipped(member, where) if packed else iter(lambda: member.read(CHUNK), b""):
        written += len(data)
        if written > size:
            break
        digest.update(data)
        target.write(data)
    if written != size:
        raise damaged(where, f"{member.name} is not {size:,} bytes long")
    return digest.hexdigest()


def _unzipped(member: Member, where: str) -> Iterator[bytes]:
    stream = zlib.decompressobj(wbits=31)
    try:
        while not stream.eof:
            data = stream.unconsumed_tail or member.read(CHUNK)
            unzipped = stream.decompress(data, CHUNK)  # without new data: what it still holds
            if not data and not unzipped:
                break
            yield unzipped
    except zlib.error as error:
        raise damaged(where, f"{member.name} cannot be unpacked") from error
    if not stream.eof or stream.unused_data or member.read(1):
        raise damaged(where, f"{member.name} does not end where it should")


def _check_end(file: BinaryIO, where: str) -> None:
    rest = file.read(_BLOCK)
    if len(rest) < _BLOCK:
        raise damaged(where, "it ends too early")
    while rest:
        if rest.strip(b"\0"):
            raise damaged(where, "something follows after its end")
        rest = file.read(CHUNK)
    if file.tell() % _RECORD:
        raise damaged(where, "it ends too early")


def _exactly(file: BinaryIO, size: int, where: str) -> bytes:
    data = file.read(size) if size else b""
    if len(data) != size:
        raise damaged(where, "it ends too early")
    return data


def damaged(where: str, why: str) -> BackupDamaged:
    """The one error of a file that cannot be restored."""
    return BackupDamaged(
        "this is not a whole backup, so nothing was restored",
        where=where,
        why=why,
        fix="take another backup file; `sha256sum` tells whether this one is still what `flyball backup` printed",
    )
