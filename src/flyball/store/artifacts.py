"""Immutable blobs, addressed by the SHA-256 of their content."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, ClassVar, Protocol, cast

from flyball_runtime.errors import BadInput, InternalError

__all__ = [
    "CHUNK",
    "DIGEST",
    "STALE_S",
    "ArtifactCorrupt",
    "ArtifactMissing",
    "ArtifactPlaceInvalid",
    "ArtifactStore",
    "ArtifactStoreAway",
    "ArtifactStoreRefuses",
    "ArtifactUnreadable",
    "ArtifactWriter",
    "PartHeld",
    "PartsDiffer",
    "UploadUnknown",
    "Uploads",
    "check_digest",
    "check_part",
    "check_parts",
    "checked",
    "write_all",
]

DIGEST = re.compile(r"[0-9a-f]{64}")
CHUNK = 1 << 20
STALE_S = 24 * 3600.0  # no write takes a day: what is older was left by a crash, or by who never came back


class ArtifactMissing(InternalError):
    """The artifact store holds no blob of this digest."""

    code = "FB-STORE-010"


class ArtifactCorrupt(InternalError):
    """A stored blob no longer has the content that its digest names."""

    code = "FB-STORE-011"


class ArtifactUnreadable(InternalError):
    """A stored blob, or the folder it lies in, cannot be read now: rights, too many open files, a failing disk."""

    code = "FB-STORE-013"


class ArtifactStoreAway(ArtifactUnreadable):
    """The object store that keeps the artifacts does not answer, or asks to be left in peace, after several tries."""

    code = "FB-STORE-017"
    status: ClassVar[int] = 503


class ArtifactStoreRefuses(ArtifactUnreadable):
    """The object store does not let the server in: credentials, their rights, or the bucket are wrong."""

    code = "FB-STORE-018"


class ArtifactPlaceInvalid(BadInput):
    """The place for artifacts cannot be used: an unknown kind of store, credentials in the URL, a missing package."""

    code = "FB-STORE-019"


class UploadUnknown(BadInput):
    """No upload of this id is under way: it was completed, given up, or left alone for a day."""

    code = "FB-STORE-020"
    status: ClassVar[int] = 404

    @classmethod
    def of(cls, upload: str) -> UploadUnknown:
        """The error for an id."""
        return cls(
            "there is no such upload under way", where=upload[:40],
            why="it was completed, given up, or nobody went on with it for a day", fix="begin it anew",
        )  # fmt: skip


class PartsDiffer(BadInput):
    """The parts that were sent are not those that the upload is to be made of."""

    code = "FB-STORE-021"


class ArtifactWriter(Protocol):
    """One blob, or one part of an upload, on its way in: piece by piece, so that no thread waits for a slow sender.

    One thread at a time. What is neither finished nor abandoned is cleaned away as after a crash.
    """

    def write(self, part: bytes) -> None:
        """Add to the end. Raises StoreFull, CannotWrite."""

    def finish(self) -> str:
        """Let it be a blob; return its digest (of a part: its entity tag). Durable as `put`. Raises StoreFull, CannotWrite."""

    def abandon(self) -> None:
        """Forget it; nothing happens once it is finished."""


@dataclass(frozen=True, slots=True)
class PartHeld:
    """A part of an upload that is there whole: its bytes, and its entity tag where the store knows it without reading."""

    size: int
    etag: str | None = None


class Uploads(Protocol):
    """Blobs that come in parts numbered from 1, in any order and again, over any number of connections.

    Threads and processes may call every method at once. A part is there whole or not at all, and durable once it is;
    nobody sees the blob before `join`. An upload that nobody touched for a day is cleaned away.
    """

    @property
    def direct(self) -> bool:
        """Whether parts can be sent to where the blobs are kept, past us: whether `link` gives links."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What has to be sent along with a part to a `link`."""

    def begin(self) -> str:
        """A new upload; its id (32 hexadecimal digits) cannot be guessed. Raises StoreFull, CannotWrite."""

    def part(self, upload: str, number: int) -> ArtifactWriter:
        """A part on its way in, in place of what was there of this number. Raises UploadUnknown, StoreFull, CannotWrite."""

    def parts(self, upload: str) -> Mapping[int, PartHeld]:
        """The parts that are there, by number. Raises UploadUnknown."""

    def join(self, upload: str, etags: Mapping[int, str | None]) -> str:
        """Let the parts with these numbers, in their order, be one blob; its digest. The parts stay until `drop`.

        etags: what the writer of each part was told; None where nobody knows. Raises UploadUnknown, PartsDiffer,
        StoreFull, CannotWrite.
        """

    def drop(self, upload: str) -> None:
        """Forget an upload and its parts; nothing happens when there is none."""

    def link(self, upload: str, number: int, seconds: float) -> str | None:
        """A URL that takes the part by PUT from whoever knows it, for so long; None: it must come through us."""


class ArtifactStore(Protocol):
    """Immutable blobs, addressed by the SHA-256 of their content (a digest: 64 lower-case hexadecimal digits).

    Threads and processes may call every method at once. `put` is durable when it returns: a crash afterwards loses
    nothing, a crash before leaves no trace that `has` can see. Writing the same content twice is one blob; writing
    content whose blob is damaged heals it. Every method may raise ArtifactStoreAway and ArtifactStoreRefuses where
    the blobs are kept by another machine.
    """

    @property
    def uploads(self) -> Uploads:
        """Blobs that come in parts."""

    @property
    def location(self) -> str:
        """Where this is, for people: a folder or a URL, without secrets."""

    def put(self, source: BinaryIO | bytes) -> str:
        """Store everything that `source` yields; return its digest. Raises StoreFull, CannotWrite."""

    def begin(self) -> ArtifactWriter:
        """Begin a blob whose pieces come later. Raises StoreFull, CannotWrite."""

    def open(self, digest: str, start: int = 0) -> BinaryIO:
        """A stream from byte `start` (within the blob) on, not seekable.

        Raises ArtifactMissing, ArtifactUnreadable; ArtifactCorrupt from the read that reaches the end of content that
        is not the digest's, if it began at 0: whoever reads from elsewhere holds the digest against the whole.
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

    def older(self, digest: str, than: datetime) -> bool:
        """Whether a blob is there and was last written before a moment."""

    def discard(self, digest: str, *, older_than: datetime) -> bool:
        """Delete a blob that was last written before a moment; whether it was."""

    def clean(self, *, older_than_s: float = STALE_S) -> int:
        """Remove what writers that died, and uploads that nobody went on with, left behind; how many that were."""

    def link(self, digest: str, seconds: float) -> str | None:
        """A URL that gives this blob alone by GET to whoever knows it, for so long; None: it must be read through us."""


def write_all(begin: Callable[[], ArtifactWriter], source: BinaryIO | bytes) -> str:
    """Pass everything that `source` yields through a writer; what its `finish` says."""
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    writer = begin()
    try:
        while chunk := stream.read(CHUNK):
            writer.write(chunk)
        return writer.finish()
    finally:
        writer.abandon()


def check_digest(digest: str) -> str:
    """The digest itself. Raises ValueError when it is none."""
    if not DIGEST.fullmatch(digest):
        raise ValueError(f"not a digest: {digest!r}")
    return digest


def check_parts(held: Mapping[int, PartHeld], etags: Mapping[int, str | None]) -> None:
    """Raises PartsDiffer unless every part that is named is there, and is the one that was sent."""
    numbers = sorted(etags)
    if numbers != list(range(1, len(numbers) + 1)):
        raise PartsDiffer(
            "the parts of an upload are numbered 1, 2, 3, … without a gap", why=f"these are {numbers[:20]}"
        )
    missing = [number for number in numbers if number not in held]
    if missing:
        raise PartsDiffer(
            f"{len(missing)} of {len(numbers)} parts have not arrived",
            where=f"part {missing[0]}",
            fix="send them again",
        )
    for number in numbers:
        check_part(number, held[number].etag, etags[number])


def check_part(number: int, found: str | None, wanted: str | None) -> None:
    """Raises PartsDiffer when a part is known not to be the one that was sent."""
    if found is not None and wanted is not None and found.strip('"') != wanted.strip('"'):
        raise PartsDiffer("a part is not the one that was sent", where=f"part {number}", fix="send it again")


def checked(read: Callable[[int], bytes], close: Callable[[], None], digest: str, where: str) -> BinaryIO:
    """A stream over `read` (bytes wanted, below 0: all; an empty answer is the end) that holds its digest against the
    name once the end is reached, and raises ArtifactCorrupt there."""
    return cast("BinaryIO", _Checked(read, close, digest, where))


class _Checked(io.RawIOBase):
    def __init__(self, read: Callable[[int], bytes], close: Callable[[], None], digest: str, where: str) -> None:
        self._next, self._close, self._digest, self._where = read, close, digest, where
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
        self._close()
        super().close()

    def _take(self, data: bytes, *, wanted: int) -> None:
        self._hash.update(data)
        if (wanted < 0 or (wanted > 0 and not data)) and self._hash.hexdigest() != self._digest:
            raise ArtifactCorrupt(
                f"artifact {self._digest[:12]} is damaged",
                where=self._where,
                why=f"its content hashes to {self._hash.hexdigest()[:12]}…",
                fix="put the file back from a backup, or delete it and run `flyball run` again to make it anew",
            )
