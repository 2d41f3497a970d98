"""The law of ArtifactStore as tests: inherit `ArtifactStoreContract` and give one fixture, `artifacts`.

class TestFileArtifacts(ArtifactStoreContract):
    @pytest.fixture
    def artifacts(self, tmp_path): return FileArtifacts(tmp_path)

    def damage(self, artifacts, digest): ...  # overwrite the stored bytes behind the store's back
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

import pytest

from flyball.store.artifacts import ArtifactCorrupt, ArtifactMissing, ArtifactStore

__all__ = ["ArtifactStoreContract"]

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
