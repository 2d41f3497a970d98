"""The law of ArtifactStore and of its Uploads as tests: inherit both contracts and give one fixture, `artifacts`.

class TestFileArtifacts(ArtifactStoreContract, UploadsContract):
    @pytest.fixture
    def artifacts(self, tmp_path): return FileArtifacts(tmp_path)

    def damage(self, artifacts, digest): ...  # overwrite the stored bytes behind the store's back
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

import pytest

from flyball.store.artifacts import ArtifactCorrupt, ArtifactMissing, ArtifactStore, PartsDiffer, UploadUnknown

__all__ = ["ABSENT", "ArtifactStoreContract", "UploadsContract"]

ABSENT = hashlib.sha256(b"never stored").hexdigest()


class BreaksHalfway(io.RawIOBase):
    """A source that fails after its first chunk, as a network does."""

    def __init__(self) -> None:
        self._chunks: Iterator[bytes] = iter([b"first chunk"])

    def read(self, size: int = -1) -> bytes:  # noqa: ARG002 - the size is a wish
        for chunk in self._chunks:
            return chunk
        raise OSError("the source broke")


class ArtifactStoreContract:
    """What every artifact store promises, whatever it keeps its blobs in."""

    def damage(self, artifacts: ArtifactStore, digest: str) -> None:
        """Change the stored bytes of `digest` behind the store's back."""
        raise NotImplementedError("say how a blob of this store can be damaged")

    @pytest.mark.parametrize("content", [b"", b"x", b"\x00\xff" * 700_000], ids=["empty", "one byte", "two chunks"])
    def test_content_comes_back_under_its_sha256(self, artifacts: ArtifactStore, content: bytes) -> None:
        digest = artifacts.put(io.BytesIO(content))
        assert digest == hashlib.sha256(content).hexdigest()
        assert artifacts.read(digest) == content
        assert artifacts.size(digest) == len(content)
        with artifacts.open(digest) as stream:
            assert b"".join(iter(lambda: stream.read(65_536), b"")) == content

    def test_bytes_are_taken_as_they_are(self, artifacts: ArtifactStore) -> None:
        assert artifacts.read(artifacts.put(b"plain")) == b"plain"

    def test_the_same_content_twice_is_one_blob(self, artifacts: ArtifactStore) -> None:
        assert artifacts.put(b"twice") == artifacts.put(io.BytesIO(b"twice"))
        assert list(artifacts.digests()) == [hashlib.sha256(b"twice").hexdigest()]

    def test_digests_are_listed_in_order(self, artifacts: ArtifactStore) -> None:
        digests = [artifacts.put(f"blob {number}".encode()) for number in range(20)]
        assert list(artifacts.digests()) == sorted(digests)

    def test_what_was_never_stored_is_missing(self, artifacts: ArtifactStore) -> None:
        assert not artifacts.has(ABSENT)
        for ask in (artifacts.read, artifacts.open, artifacts.size):
            with pytest.raises(ArtifactMissing):
                ask(ABSENT)

    def test_a_name_that_is_no_digest_reaches_nothing(self, artifacts: ArtifactStore) -> None:
        for name in ("", "../" + ABSENT[3:], ABSENT.upper(), ABSENT + "0"):
            with pytest.raises(ValueError, match="not a digest"):
                artifacts.read(name)

    def test_damage_is_found_while_reading(self, artifacts: ArtifactStore) -> None:
        digest = artifacts.put(b"precious" * 1000)
        self.damage(artifacts, digest)
        with pytest.raises(ArtifactCorrupt):
            artifacts.read(digest)
        with artifacts.open(digest) as stream, pytest.raises(ArtifactCorrupt):
            while stream.read(1000):
                pass

    def test_storing_again_heals_damage(self, artifacts: ArtifactStore) -> None:
        digest = artifacts.put(b"precious")
        self.damage(artifacts, digest)
        assert artifacts.put(b"precious") == digest
        assert artifacts.read(digest) == b"precious"

    def test_a_source_that_breaks_leaves_nothing(self, artifacts: ArtifactStore) -> None:
        source: BinaryIO = BreaksHalfway()  # type: ignore[assignment]
        with pytest.raises(Exception, match=r"the source broke|cannot write"):
            artifacts.put(source)
        assert list(artifacts.digests()) == []

    def test_parts_that_come_one_by_one_are_one_blob_once_they_are_finished(self, artifacts: ArtifactStore) -> None:
        writer = artifacts.begin()
        for part in (b"one", b"", b" two"):
            writer.write(part)
        assert list(artifacts.digests()) == []
        digest = writer.finish()
        writer.abandon()
        assert artifacts.read(digest) == b"one two"
        lost = artifacts.begin()
        lost.write(b"half")
        lost.abandon()
        assert list(artifacts.digests()) == [digest]

    def test_delete_forgets_and_may_be_repeated(self, artifacts: ArtifactStore) -> None:
        digest = artifacts.put(b"short-lived")
        artifacts.delete(digest)
        artifacts.delete(digest)
        assert not artifacts.has(digest)
        assert list(artifacts.digests()) == []

    def test_many_threads_may_store_at_once(self, artifacts: ArtifactStore) -> None:
        contents = [f"blob {number % 5}".encode() * 2000 for number in range(40)]
        with ThreadPoolExecutor(8) as pool:
            digests = list(pool.map(artifacts.put, contents))
        assert [artifacts.read(digest) for digest in digests] == contents
        assert len(list(artifacts.digests())) == 5

    def test_a_blob_can_be_read_from_the_middle(self, artifacts: ArtifactStore) -> None:
        content = bytes(range(256)) * 10_000
        digest = artifacts.put(content)
        for start in (1, 1 << 20, len(content) - 1):
            with artifacts.open(digest, start) as stream:
                assert b"".join(iter(lambda: stream.read(70_000), b"")) == content[start:]

    def test_only_what_was_written_before_a_moment_is_discarded(self, artifacts: ArtifactStore) -> None:
        digest = artifacts.put(b"old enough?")
        now = datetime.now(UTC)
        hour = timedelta(hours=1)
        assert not artifacts.older(digest, now - hour)
        assert not artifacts.discard(digest, older_than=now - hour)
        assert artifacts.has(digest)
        assert artifacts.older(digest, now + hour)
        assert artifacts.discard(digest, older_than=now + hour)
        assert not artifacts.has(digest)
        assert not artifacts.discard(digest, older_than=now + hour)

    def test_its_place_is_named(self, artifacts: ArtifactStore) -> None:
        assert artifacts.location


class UploadsContract:
    """What the uploads of every artifact store promise."""

    def test_parts_come_in_any_order_and_again_and_are_one_blob_once_they_are_joined(
        self, artifacts: ArtifactStore
    ) -> None:
        uploads = artifacts.uploads
        upload = uploads.begin()
        for number, content in ((3, b"three"), (1, b"wrong"), (2, b"two " * 700_000), (1, b"one ")):
            _send(artifacts, upload, number, content)
        assert {number: part.size for number, part in uploads.parts(upload).items()} == {1: 4, 2: 2_800_000, 3: 5}
        assert list(artifacts.digests()) == []
        digest = uploads.join(upload, {1: None, 2: None, 3: None})
        assert artifacts.read(digest) == b"one " + b"two " * 700_000 + b"three"
        assert uploads.join(upload, {1: None, 2: None, 3: None}) == digest
        uploads.drop(upload)
        uploads.drop(upload)
        assert list(artifacts.digests()) == [digest]
        with pytest.raises(UploadUnknown):
            uploads.parts(upload)

    def test_an_upload_without_parts_is_the_empty_blob(self, artifacts: ArtifactStore) -> None:
        upload = artifacts.uploads.begin()
        assert artifacts.read(artifacts.uploads.join(upload, {})) == b""

    def test_a_part_that_was_not_finished_is_not_there(self, artifacts: ArtifactStore) -> None:
        upload = artifacts.uploads.begin()
        lost = artifacts.uploads.part(upload, 1)
        lost.write(b"half")
        lost.abandon()
        assert dict(artifacts.uploads.parts(upload)) == {}
        with pytest.raises(PartsDiffer, match="not arrived"):
            artifacts.uploads.join(upload, {1: None})

    def test_parts_that_differ_from_what_was_sent_or_leave_a_gap_are_refused(self, artifacts: ArtifactStore) -> None:
        uploads = artifacts.uploads
        upload = uploads.begin()
        first = _send(artifacts, upload, 1, b"first")
        other = _send(artifacts, upload, 3, b"other")
        for etags in ({1: other}, {1: first, 3: other}, {2: None}):
            with pytest.raises(PartsDiffer):
                uploads.join(upload, etags)
        assert list(artifacts.digests()) == []
        assert artifacts.read(uploads.join(upload, {1: first})) == b"first"

    def test_an_id_that_is_none_reaches_nothing(self, artifacts: ArtifactStore) -> None:
        uploads = artifacts.uploads
        for upload in ("", "0" * 32, "../" + "0" * 29, "x"):
            for ask in (uploads.parts, lambda one: uploads.part(one, 1), lambda one: uploads.join(one, {})):
                with pytest.raises(UploadUnknown):
                    ask(upload)
            uploads.drop(upload)

    def test_what_nobody_went_on_with_is_cleaned_away(self, artifacts: ArtifactStore) -> None:
        kept = artifacts.put(b"whole")
        upload = artifacts.uploads.begin()
        _send(artifacts, upload, 1, b"abandoned")
        assert artifacts.clean() == 0
        assert list(artifacts.uploads.parts(upload)) == [1]
        assert artifacts.clean(older_than_s=-60) == 1
        with pytest.raises(UploadUnknown):
            artifacts.uploads.parts(upload)
        assert list(artifacts.digests()) == [kept]


def _send(artifacts: ArtifactStore, upload: str, number: int, content: bytes) -> str:
    writer = artifacts.uploads.part(upload, number)
    try:
        for start in range(0, len(content), 1 << 20):
            writer.write(content[start : start + (1 << 20)])
        return writer.finish()
    finally:
        writer.abandon()
