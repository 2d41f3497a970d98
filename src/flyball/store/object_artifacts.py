"""Artifacts in a bucket of an object store: Amazon S3 and what speaks like it, Google Cloud Storage, Azure.

The keys below the prefix are those of a folder: `ab/abcd…` for a blob, `staging/ID…` for what is on its way in.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

from flyball.core.failpoints import failpoint
from flyball.store.artifacts import (
    CHUNK,
    DIGEST,
    STALE_S,
    ArtifactMissing,
    ArtifactPlaceInvalid,
    ArtifactStoreAway,
    ArtifactStoreRefuses,
    ArtifactWriter,
    PartHeld,
    UploadUnknown,
    check_digest,
    check_parts,
    checked,
    write_all,
)
from flyball_runtime.errors import FlyballError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

__all__ = ["ObjectArtifacts"]

_SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss")
_AZURE = ("az", "azure", "abfs", "abfss")
_VENDORS = ("AWS", "GOOGLE", "AZURE")
_UPLOAD = re.compile(r"[0-9a-f]{32}")
_PART = re.compile(r"staging/[0-9a-f]{32}/([0-9]{5})")
# Up to the first, a blob is written in one request; beyond it, in pieces of this size, two of them on their way at a time.
# An object has at most 10,000 pieces, so that a blob may have 100 GB.
_PIECE, _AT_ONCE = 10 << 20, 2
_SKEW = timedelta(seconds=5)  # by so much the store's clock may be ahead of ours
_LARGEST_COPY = 5 << 30  # larger objects cannot be copied within the store in one request
_RETRIES = {
    "max_retries": 4,
    "retry_timeout": timedelta(seconds=20),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=3), "base": 2},
}
# A whole transfer may take long; a pause in it must not.
_PATIENCE = {"connect_timeout": "5s", "read_timeout": "30s", "timeout": "6h"}


class ObjectArtifacts:
    """An artifact store in a bucket; endpoint, region and credentials come from the environment.

    url: `s3://bucket/prefix`, `gs://…`, `az://…`. links: whether to sign links for clients. Raises ArtifactPlaceInvalid.
    """

    def __init__(self, url: str, *, links: bool = True) -> None:
        self._store = _connect(url)
        self._links = links
        self.location = url.rstrip("/")
        scheme = url.partition("://")[0]
        self.lists_etags = scheme in ("s3", "s3a")  # as they are answered to who sends; others name versions by them
        self.part_headers = {"x-ms-blob-type": "BlockBlob"} if scheme in _AZURE else {}

    @property
    def uploads(self) -> _ObjectUploads:
        return _ObjectUploads(self)

    def put(self, source: BinaryIO | bytes) -> str:
        return write_all(self.begin, source)

    def begin(self) -> ArtifactWriter:
        return _Writer(self)

    def open(self, digest: str, start: int = 0) -> BinaryIO:
        import obstore

        key = self.key(digest)
        with self._explained(key):
            found = obstore.get(self._store, key, options={"range": {"offset": start}} if start else None)
            pieces = _Pieces(self, key, iter(found.stream(min_chunk_size=CHUNK)))
        if start:
            return pieces  # type: ignore[return-value]  # all that is asked of one is read and close
        return checked(pieces.read, pieces.close, digest, f"{self.location}/{key}")

    def read(self, digest: str) -> bytes:
        with self.open(digest) as stream:
            return stream.read()

    def has(self, digest: str) -> bool:
        try:
            self._head(self.key(digest))
        except ArtifactMissing:
            return False
        return True

    def size(self, digest: str) -> int:
        return int(self._head(self.key(digest))["size"])

    def digests(self) -> Iterator[str]:
        found = (key.rpartition("/") for key, _ in self.listing(""))
        names = sorted(name for folder, _, name in found if DIGEST.fullmatch(name) and folder == name[:2])
        yield from names

    def delete(self, digest: str) -> None:
        self.remove([self.key(digest)])

    def older(self, digest: str, than: datetime) -> bool:
        try:
            return bool(self._head(self.key(digest))["last_modified"] - _SKEW < than)
        except ArtifactMissing:
            return False

    def discard(self, digest: str, *, older_than: datetime) -> bool:
        if not self.older(digest, older_than):
            return False
        self.delete(digest)
        return True

    def clean(self, *, older_than_s: float = STALE_S) -> int:
        limit = datetime.now(UTC) - timedelta(seconds=older_than_s)
        touched: dict[str, datetime] = {}
        keys: defaultdict[str, list[str]] = defaultdict(list)
        for key, facts in self.listing("staging"):
            owner = key.split("/")[1]
            keys[owner].append(key)
            touched[owner] = max(touched.get(owner, facts["last_modified"]), facts["last_modified"])
        left = [owner for owner, moment in touched.items() if moment <= limit]
        self.remove([key for owner in left for key in keys[owner]])
        return len(left)

    def link(self, digest: str, seconds: float) -> str | None:
        return self.sign("GET", self.key(digest), seconds)

    # -- what the parts of this module share

    def key(self, digest: str) -> str:
        """Where a blob lies below the prefix. Raises ValueError when `digest` is not one."""
        return f"{check_digest(digest)[:2]}/{digest}"

    def sign(self, method: Any, key: str, seconds: float) -> str | None:
        """A link to one object for one method; None when that is not wished, or these credentials cannot sign."""
        import obstore
        from obstore.exceptions import BaseError

        try:
            # Only the kinds of stores that can sign are ever made here.
            store: Any = self._store
            return obstore.sign(store, method, key, timedelta(seconds=seconds)) if self._links else None
        except BaseError:
            return None

    def write(self, key: str, data: bytes) -> str | None:
        """Put an object in one request; its entity tag."""
        import obstore

        with self._explained(key):
            return obstore.put(self._store, key, data, use_multipart=False)["e_tag"]

    def writer(self, key: str) -> Any:
        """A file for an object that is larger than one piece; there once it is closed."""
        import obstore

        return obstore.open_writer(self._store, key, buffer_size=_PIECE, max_concurrency=_AT_ONCE)

    def move(self, key: str, target: str, size: int) -> None:
        """Give an object another key, within the store where it can do that."""
        import obstore

        with self._explained(key):
            if size <= _LARGEST_COPY:
                obstore.copy(self._store, key, target)
            else:
                with self.writer(target) as file:
                    for piece in obstore.get(self._store, key).stream(min_chunk_size=CHUNK):
                        file.write(piece)
        self.remove([key])

    def remove(self, keys: list[str]) -> None:
        """Delete objects; nothing happens for those that are not there."""
        import obstore

        if keys:
            with self._explained(keys[0]), contextlib.suppress(FileNotFoundError):
                obstore.delete(self._store, keys)

    def listing(self, folder: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every key below a folder of the prefix, with its size, time and entity tag."""
        import obstore

        with self._explained(folder or "the prefix"):
            for page in obstore.list(self._store, folder or None):
                for facts in page:
                    yield str(facts["path"]), facts

    def pieces(self, key: str) -> Iterator[bytes]:
        """The content of an object."""
        import obstore

        with self._explained(key):
            for piece in obstore.get(self._store, key).stream(min_chunk_size=CHUNK):
                yield bytes(piece)

    def _head(self, key: str) -> Mapping[str, Any]:
        import obstore

        with self._explained(key):
            return obstore.head(self._store, key)

    @contextlib.contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as error:
            raise _coded(error, f"{self.location}/{key}") from error


class _Pieces:
    """A stream over what arrives in pieces."""

    def __init__(self, artifacts: ObjectArtifacts, key: str, pieces: Iterator[Any]) -> None:
        self._where = f"{artifacts.location}/{key}"
        self._pieces, self._left = pieces, memoryview(b"")

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            parts = [bytes(self._left)]
            while piece := self._next():
                parts.append(piece)
            self._left = memoryview(b"")
            return b"".join(parts)
        if not self._left:
            self._left = memoryview(self._next())
        found, self._left = self._left[:size], self._left[size:]
        return bytes(found)

    def close(self) -> None:
        self._pieces, self._left = iter(()), memoryview(b"")

    def __enter__(self) -> _Pieces:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _next(self) -> bytes:
        from obstore.exceptions import BaseError

        try:
            return bytes(next(self._pieces, b""))
        except (BaseError, OSError) as error:
            raise _coded(error, self._where) from error


class _Writer:
    """A blob on its way in: in memory while it is small, then as an object of `staging` that is moved to its digest."""

    def __init__(self, artifacts: ObjectArtifacts, target: str | None = None) -> None:
        self._artifacts, self._target = artifacts, target
        self._staging = f"staging/{secrets.token_hex(12)}"
        self._hash, self._size = hashlib.sha256(), 0
        self._small: bytearray | None = bytearray()
        self._large: Any = None
        failpoint("store.artifact:before")

    def write(self, part: bytes) -> None:
        self._hash.update(part)
        self._size += len(part)
        if self._small is not None and self._size <= _PIECE:
            self._small += part
            return
        with self._artifacts._explained(self._staging):  # noqa: SLF001 - two halves of one adapter
            if self._small is not None:
                self._large = self._artifacts.writer(self._target or self._staging)
                self._large.write(bytes(self._small))
                self._small = None
            self._large.write(part)

    def finish(self) -> str:
        digest = self._hash.hexdigest()
        key = self._target or self._artifacts.key(digest)
        if self._small is not None:
            etag = self._artifacts.write(key, bytes(self._small))
        else:
            with self._artifacts._explained(key):  # noqa: SLF001
                self._large.close()
                self._large = None
            failpoint("store.artifact:written")
            if self._target is None:
                self._artifacts.move(self._staging, key, self._size)
            etag = self._artifacts._head(key)["e_tag"]  # noqa: SLF001
        failpoint("store.artifact:after")
        return digest if self._target is None else (etag or "")

    def abandon(self) -> None:
        large, self._large = self._large, None
        if large is not None:
            with contextlib.suppress(Exception):  # a file that is left with an error takes back what it has sent
                large.__exit__(InterruptedError, InterruptedError(), None)


class _ObjectUploads:
    """Uploads as objects `staging/ID/NUMBER`; number 0 is empty and says that the upload is under way."""

    def __init__(self, artifacts: ObjectArtifacts) -> None:
        self._artifacts = artifacts

    @property
    def headers(self) -> Mapping[str, str]:
        return self._artifacts.part_headers

    @property
    def direct(self) -> bool:
        return self._artifacts.sign("PUT", "staging/probe", 1.0) is not None

    def begin(self) -> str:
        upload = secrets.token_hex(16)
        self._artifacts.write(f"staging/{upload}/00000", b"")
        return upload

    def part(self, upload: str, number: int) -> ArtifactWriter:
        self.parts(upload)
        return _Writer(self._artifacts, f"staging/{upload}/{number:05d}")

    def parts(self, upload: str) -> Mapping[int, PartHeld]:
        if not _UPLOAD.fullmatch(upload):
            raise UploadUnknown.of(upload)
        held = {
            int(match[1]): PartHeld(facts["size"], facts["e_tag"] if self._artifacts.lists_etags else None)
            for key, facts in self._artifacts.listing(f"staging/{upload}")
            if (match := _PART.fullmatch(key))
        }
        if held.pop(0, None) is None:
            raise UploadUnknown.of(upload)
        return held

    def join(self, upload: str, etags: Mapping[int, str | None]) -> str:
        check_parts(self.parts(upload), etags)
        writer = self._artifacts.begin()
        try:
            for number in sorted(etags):
                for piece in self._artifacts.pieces(f"staging/{upload}/{number:05d}"):
                    writer.write(piece)
            failpoint("store.upload:joined")
            return writer.finish()
        finally:
            writer.abandon()

    def drop(self, upload: str) -> None:
        if _UPLOAD.fullmatch(upload):
            self._artifacts.remove([key for key, _ in self._artifacts.listing(f"staging/{upload}")])

    def link(self, upload: str, number: int, seconds: float) -> str | None:
        return self._artifacts.sign("PUT", f"staging/{upload}/{number:05d}", seconds)


def _connect(url: str) -> ObjectStore:
    """Raises ArtifactPlaceInvalid; credentials that stand in the URL are not repeated."""
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    if parts.scheme not in _SCHEMES or not parts.netloc.rpartition("@")[2]:
        raise ArtifactPlaceInvalid(
            "the place for artifacts cannot be used", where=shown,
            why="it is neither a folder nor the URL of a bucket",
            fix=f"write a path, or a URL such as s3://bucket/prefix ({', '.join(_SCHEMES)})",
        )  # fmt: skip
    if parts.query or parts.fragment or ("@" in parts.netloc and not parts.scheme.startswith("abfs")):
        raise ArtifactPlaceInvalid(
            "the URL of the artifacts holds more than a bucket and a prefix", where=shown,
            why="credentials and settings would go along with every copy of the project file",
            fix="leave them to the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT",
        )  # fmt: skip
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ModuleNotFoundError as error:
        raise ArtifactPlaceInvalid(
            "an object store needs a package that is not installed", where=shown, why=str(error),
            fix='pip install "flyball[s3]"',
        ) from error  # fmt: skip
    plain = any(os.environ.get(f"{vendor}_ALLOW_HTTP", "").lower() in ("1", "true") for vendor in _VENDORS)
    options: Any = {"retry_config": _RETRIES, "client_options": {**_PATIENCE, "allow_http": plain}}
    try:
        return from_url(url, **options)
    except (BaseError, ValueError) as error:
        raise ArtifactPlaceInvalid(
            "the object store for artifacts cannot be used", where=shown, why=_first_line(error),
            fix="check the URL, and the variables of the environment that it is reached with",
        ) from error  # fmt: skip


def _coded(error: Exception, where: str) -> FlyballError:
    """What went wrong, without what the store's answer may hold of credentials and signatures."""
    from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

    text = str(error)
    said = re.search(r"<Code>(\w{1,60})</Code>", text)
    code, status = said[1] if said else "", re.search(r"status code: (\d{3})", text)
    why = " ".join(part for part in (f"status {status[1]}" if status else "", code) if part)
    if isinstance(error, FileNotFoundError) and code != "NoSuchBucket":
        return ArtifactMissing(
            f"artifact {where.rpartition('/')[2][:12]} is missing", where=where,
            fix="put the object back from a backup, or run `flyball run` again to make it anew",
        )  # fmt: skip
    if isinstance(error, (PermissionDeniedError, UnauthenticatedError)) or code == "NoSuchBucket":
        return ArtifactStoreRefuses(
            "the object store refuses", where=where, why=why or type(error).__name__,
            fix="check the bucket, and that the credentials in the environment may read, write, list and delete in it",
        )  # fmt: skip
    fix = "it was tried several times: try again later, and check the endpoint (AWS_ENDPOINT) and the network"
    if "builder error" in text:
        fix = "an endpoint (AWS_ENDPOINT) that begins with http:// needs AWS_ALLOW_HTTP=true; else write https://"
    return ArtifactStoreAway("the object store does not answer", where=where, why=why or _first_line(error), fix=fix)


def _first_line(error: Exception) -> str:
    """The beginning of what a client says, without queries of URLs: these may be signed."""
    return re.sub(r"\?\S*", "", str(error).split("\n", 1)[0])[:300]
