"""Artifacts in a local folder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from flyball.core.failpoints import failpoint
from flyball.core.files import CannotWrite, StoreFull, sync_directory
from flyball.store.artifacts import (
    CHUNK,
    DIGEST,
    STALE_S,
    ArtifactMissing,
    ArtifactUnreadable,
    ArtifactWriter,
    PartHeld,
    UploadUnknown,
    check_digest,
    check_part,
    check_parts,
    checked,
    write_all,
)
from flyball.store.lock import is_held
from flyball_runtime.errors import BadInput

__all__ = ["FileArtifacts"]

_UPLOAD = re.compile(r"[0-9a-f]{32}")
_PART = re.compile(r"[0-9]{5}")


class FileArtifacts:
    """An artifact store in a local folder: `ab/abcd…`, one read-only file per blob."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def uploads(self) -> _FileUploads:
        return _FileUploads(self)

    @property
    def location(self) -> str:
        return str(self.root)

    def put(self, source: BinaryIO | bytes) -> str:
        try:
            return write_all(self.begin, source)
        except OSError as error:
            raise _explain(error, self.root) from error

    def begin(self) -> ArtifactWriter:
        return _Writer(self)

    def open(self, digest: str, start: int = 0) -> BinaryIO:
        path = self.path(digest)
        try:
            file = path.open("rb")
            if start:
                file.seek(start)
                return file
        except OSError as error:
            raise _unread(digest, path, error) from error

        def read(size: int) -> bytes:
            try:
                return file.read(size)
            except OSError as error:
                raise _unread(digest, path, error) from error

        return checked(read, file.close, digest, str(path))

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
            if DIGEST.fullmatch(path.name) and path.parent.name == path.name[:2]:
                yield path.name

    def delete(self, digest: str) -> None:
        self.path(digest).unlink(missing_ok=True)

    def older(self, digest: str, than: datetime) -> bool:
        try:
            return self.path(digest).stat().st_mtime < than.timestamp()
        except OSError:
            return False

    def discard(self, digest: str, *, older_than: datetime) -> bool:
        """As the port says; one that is written anew meanwhile stays."""
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
        return self.root / check_digest(digest)[:2] / digest

    def clean(self, *, older_than_s: float = STALE_S) -> int:
        limit, removed = time.time() - older_than_s, 0
        for path in (self.root / "staging").glob("*"):
            with contextlib.suppress(FileNotFoundError):  # its writer may be alive and done this moment
                if path.stat().st_mtime > limit:
                    continue
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                elif not is_held(path):  # its writer holds a lock for as long as it lives
                    path.unlink()
                else:
                    continue
                removed += 1
        return removed

    def link(self, digest: str, seconds: float) -> str | None:  # noqa: ARG002 - a folder has no door of its own
        return None

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

    def __init__(self, artifacts: FileArtifacts, staging: Path | None = None) -> None:
        self._artifacts, self._hash = artifacts, hashlib.sha256()
        self._staging = staging or artifacts.root / "staging" / secrets.token_hex(12)
        failpoint("store.artifact:before")
        try:
            if staging is None:
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
            self._settle(digest)
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

    def _settle(self, digest: str) -> None:
        self._artifacts.adopt(self._staging, digest)


class _PartWriter(_Writer):
    """A part of an upload: a file of its folder, whole once it has its number for a name."""

    def __init__(self, artifacts: FileArtifacts, place: Path) -> None:
        super().__init__(artifacts, place.with_name(f"{place.name}.{secrets.token_hex(8)}"))
        self._place = place

    def _settle(self, digest: str) -> None:  # noqa: ARG002 - the part is named by its number
        self._staging.replace(self._place)
        sync_directory(self._place.parent)


class _FileUploads:
    """Uploads as folders of `staging`, with a file for each part; its time of change says when it was last touched."""

    def __init__(self, artifacts: FileArtifacts) -> None:
        self._artifacts = artifacts
        self.direct, self.headers = False, dict[str, str]()

    def begin(self) -> str:
        upload = secrets.token_hex(16)
        place = self._folder(upload)
        try:
            place.mkdir(parents=True)
            sync_directory(place.parent)
        except OSError as error:
            raise _explain(error, self._artifacts.root) from error
        return upload

    def part(self, upload: str, number: int) -> ArtifactWriter:
        return _PartWriter(self._artifacts, self._known(upload) / f"{number:05d}")

    def parts(self, upload: str) -> Mapping[int, PartHeld]:
        held = {}
        for path in sorted(self._known(upload).iterdir()):
            with contextlib.suppress(FileNotFoundError):  # a part that is half written may be whole by now
                if _PART.fullmatch(path.name):
                    held[int(path.name)] = PartHeld(path.stat().st_size)
        return held

    def join(self, upload: str, etags: Mapping[int, str | None]) -> str:
        check_parts(self.parts(upload), etags)
        folder, writer = self._known(upload), self._artifacts.begin()
        try:
            for number in sorted(etags):
                self._add(writer, number, folder / f"{number:05d}", etags[number])
            failpoint("store.upload:joined")
            return writer.finish()
        finally:
            writer.abandon()

    def drop(self, upload: str) -> None:
        if _UPLOAD.fullmatch(upload):
            shutil.rmtree(self._folder(upload), ignore_errors=True)

    def link(self, upload: str, number: int, seconds: float) -> str | None:  # noqa: ARG002 - see FileArtifacts.link
        return None

    def _add(self, writer: ArtifactWriter, number: int, path: Path, wanted: str | None) -> None:
        found = hashlib.sha256()
        try:
            with path.open("rb") as file:
                while piece := file.read(CHUNK):
                    found.update(piece)
                    writer.write(piece)
        except OSError as error:
            raise _explain(error, self._artifacts.root) from error
        check_part(number, found.hexdigest(), wanted)

    def _known(self, upload: str) -> Path:
        folder = self._folder(upload)
        if not _UPLOAD.fullmatch(upload) or not folder.is_dir():
            raise UploadUnknown.of(upload)
        return folder

    def _folder(self, upload: str) -> Path:
        return self._artifacts.root / "staging" / f"upload-{upload}"


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
