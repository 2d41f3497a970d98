"""Immutable blobs, addressed by the SHA-256 of their content."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import io
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from flyball.core.failpoints import failpoint
from flyball.core.files import CannotWrite, StoreFull, sync_directory
from flyball_runtime.errors import BadInput, InternalError

__all__ = [
    "ArtifactCorrupt",
    "ArtifactMissing",
    "ArtifactStore",
    "ArtifactUnreadable",
    "ArtifactWriter",
    "FileArtifacts",
]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 20
_STALE_S = 24 * 3600.0  # no write takes a day: what is older was left by a crash


class ArtifactMissing(InternalError):
    """The artifact store holds no blob of this digest."""

    code = "FB-STORE-010"


class ArtifactCorrupt(InternalError):
    """A stored blob no longer has the content that its digest names."""

    code = "FB-STORE-011"


class ArtifactUnreadable(InternalError):
    """A stored blob, or the folder it lies in, cannot be read now: rights, too many open files, a failing disk."""

    code = "FB-STORE-013"


class ArtifactWriter(Protocol):
    """One blob on its way in, part by part, so that nobody has to wait in a thread for a slow sender.

    One thread at a time. What is neither finished nor abandoned is cleaned away as after a crash.
    """

    def write(self, part: bytes) -> None:
        """Add to the end. Raises StoreFull, CannotWrite."""

    def finish(self) -> str:
        """Let it be a blob; return its digest. Durable as `put`. Raises StoreFull, CannotWrite."""

    def abandon(self) -> None:
        """Forget it; nothing happens once it is finished."""


class ArtifactStore(Protocol):
    """Immutable blobs, addressed by the SHA-256 of their content (a digest: 64 lower-case hexadecimal digits).

    Threads and processes may call every method at once. `put` is durable when it returns: a crash afterwards loses
    nothing, a crash before leaves no trace that `has` can see. Writing the same content twice is one blob; writing
    content whose blob is damaged heals it.
    """

    def put(self, source: BinaryIO | bytes) -> str:
        """Store everything that `source` yields; return its digest. Raises StoreFull, CannotWrite."""

    def begin(self) -> ArtifactWriter:
        """Begin a blob whose parts come later. Raises StoreFull, CannotWrite."""

    def open(self, digest: str) -> BinaryIO:
        """A stream from the first byte on, not seekable.

        Raises ArtifactMissing, ArtifactUnreadable; ArtifactCorrupt from the read that
        reaches the end of content that is not the digest's.
        """

    def read(self, digest: str) -> bytes:
        """The whole content, checked. Raises ArtifactMissing, ArtifactUnreadable, ArtifactCorrupt."""

    def has(self, digest: str) -> bool:
        """Whether a blob of this digest lies here; its content is not looked at. Raises ArtifactUnreadable."""

    def size(self, digest: str) -> int:
        """Bytes of the blob. Raises ArtifactMissing, ArtifactUnreadable."""

    def digests(self) -> Iterator[str]:
        """Every digest held, in order."""

    def delete(self, digest: str) -> None:
        """Forget a blob; nothing happens when there is none."""


class FileArtifacts:
    """An artifact store in a local folder: `ab/abcd…`, one read-only file per blob."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, source: BinaryIO | bytes) -> str:
        stream = io.BytesIO(source) if isinstance(source, bytes) else source
        writer = self.begin()
        try:
            while chunk := stream.read(_CHUNK):
                writer.write(chunk)
            return writer.finish()
        except OSError as error:
            raise _explain(error, self.root) from error
        finally:
            writer.abandon()

    def begin(self) -> ArtifactWriter:
        return _Writer(self)

    def open(self, digest: str) -> BinaryIO:
        path = self.path(digest)
        try:
            return cast("BinaryIO", _Checked(path.open("rb"), digest, path))
        except OSError as error:
            raise _unread(digest, path, error) from error

    def read(self, digest: str) -> bytes:
        with self.open(digest) as stream:
            return stream.read()

    def has(self, digest: str) -> bool:
        path = self.path(digest)
        try:
            return stat.S_ISREG(path.stat().st_mode)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _unread(digest, path, error) from error

    def size(self, digest: str) -> int:
        path = self.path(digest)
        try:
            return path.stat().st_size
        except OSError as error:
            raise _unread(digest, path, error) from error

    def digests(self) -> Iterator[str]:
        for path in sorted(self.root.glob("[0-9a-f][0-9a-f]/*")):
            if _DIGEST.fullmatch(path.name) and path.parent.name == path.name[:2]:
                yield path.name

    def delete(self, digest: str) -> None:
        self.path(digest).unlink(missing_ok=True)

    def older(self, digest: str, than: datetime) -> bool:
        """Whether a blob is there and was last written before a moment."""
        try:
            return self.path(digest).stat().st_mtime < than.timestamp()
        except OSError:
            return False

    def discard(self, digest: str, *, older_than: datetime) -> bool:
        """Delete a blob that was last written before a moment; whether it was. One that is written anew meanwhile stays."""
        path = self.path(digest)
        aside = self.root / "staging" / f"{digest}.discarded"
        if not self.older(digest, older_than):
            return False
        aside.parent.mkdir(parents=True, exist_ok=True)
        path.rename(aside)
        if aside.stat().st_mtime >= older_than.timestamp():
            aside.rename(path)
            return False
        aside.unlink()
        return True

    def path(self, digest: str) -> Path:
        """Where the blob lies, for readers that want a file. Raises ValueError when `digest` is not one."""
        if not _DIGEST.fullmatch(digest):
            raise ValueError(f"not a digest: {digest!r}")
        return self.root / digest[:2] / digest

    def clean(self, *, older_than_s: float = _STALE_S) -> int:
        """Remove what writers that died left behind; return how many files that were."""
        limit, removed = time.time() - older_than_s, 0
        for path in (self.root / "staging").glob("*"):
            with contextlib.suppress(FileNotFoundError):  # its writer may be alive and done this moment
                if path.stat().st_mtime <= limit and not _being_written(path):
                    path.unlink()
                    removed += 1
        return removed

    def adopt(self, staging: Path, digest: str) -> None:
        """Let a file of `staging` that is complete and on the disk be the blob of a digest."""
        path = self.path(digest)
        if not path.parent.is_dir():
            path.parent.mkdir(exist_ok=True)
            sync_directory(self.root)
        staging.replace(path)
        sync_directory(path.parent)


class _Writer:
    """A new file in `staging` that becomes a read-only blob once it is synced."""

    def __init__(self, artifacts: FileArtifacts) -> None:
        self._artifacts, self._hash = artifacts, hashlib.sha256()
        self._staging = artifacts.root / "staging" / secrets.token_hex(12)
        failpoint("store.artifact:before")
        try:
            self._staging.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
        except OSError as error:
            raise _explain(error, artifacts.root) from error
        self._file = os.fdopen(handle, "wb")
        fcntl.flock(handle, fcntl.LOCK_EX)  # says that its writer lives, however long the source takes

    def write(self, part: bytes) -> None:
        self._hash.update(part)
        try:
            self._file.write(part)
        except OSError as error:
            raise _explain(error, self._artifacts.root) from error

    def finish(self) -> str:
        digest = self._hash.hexdigest()
        try:
            with self._file:
                self._file.flush()
                os.fsync(self._file.fileno())
            failpoint("store.artifact:written")
            self._artifacts.adopt(self._staging, digest)
        except OSError as error:
            raise _explain(error, self._artifacts.root) from error
        finally:
            self.abandon()
        failpoint("store.artifact:after")
        return digest

    def abandon(self) -> None:
        with contextlib.suppress(OSError):  # what is full, or gone already, need not be written or removed
            self._file.close()
        with contextlib.suppress(OSError):
            self._staging.unlink()


class _Checked(io.RawIOBase):
    """Passes a file through and holds its digest against the name once the end is reached."""

    def __init__(self, file: BinaryIO, digest: str, path: Path) -> None:
        self._file, self._digest, self._path = file, digest, path
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._next(len(buffer))
        buffer[: len(data)] = data
        self._take(data, wanted=len(buffer))
        return len(data)

    def read(self, size: int | None = -1) -> bytes:
        data = self._next(-1 if size is None else size)
        self._take(data, wanted=-1 if size is None else size)
        return data

    def readall(self) -> bytes:
        return self.read()

    def close(self) -> None:
        self._file.close()
        super().close()

    def _next(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except OSError as error:
            raise _unread(self._digest, self._path, error) from error

    def _take(self, data: bytes, *, wanted: int) -> None:
        self._hash.update(data)
        if (wanted < 0 or (wanted > 0 and not data)) and self._hash.hexdigest() != self._digest:
            raise ArtifactCorrupt(
                f"artifact {self._digest[:12]} is damaged",
                where=str(self._path),
                why=f"its content hashes to {self._hash.hexdigest()[:12]}…",
                fix="put the file back from a backup, or delete it and run `flyball run` again to make it anew",
            )


def _being_written(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _unread(digest: str, path: Path, error: OSError) -> ArtifactMissing | ArtifactUnreadable:
    if not isinstance(error, FileNotFoundError):
        return ArtifactUnreadable(
            f"artifact {digest[:12]} cannot be read",
            where=str(path),
            why=error.strerror or str(error),
            fix="the artifact may be whole: mend what the line above names, then run the command again",
        )
    return ArtifactMissing(
        f"artifact {digest[:12]} is missing",
        where=str(path),
        fix="put the file back from a backup, or run `flyball run` again to make it anew",
    )


def _explain(error: OSError, root: Path) -> BadInput:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull(
            "the disk is full, so the artifact was not stored",
            where=str(root),
            fix="free some space and run the command again",
        )
    return CannotWrite(
        "cannot write into the artifact store",
        where=str(root),
        why=error.strerror or str(error),
        fix="check that the folder is writable and on a healthy disk",
    )
