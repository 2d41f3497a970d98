from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

import pytest

from flyball.core.files import CannotWrite
from flyball.store import ArtifactMissing, ArtifactStore, ArtifactUnreadable, FileArtifacts
from flyball.testing.artifacts import ArtifactStoreContract, UploadsContract


class TestFileArtifacts(ArtifactStoreContract, UploadsContract):
    @pytest.fixture
    def artifacts(self, tmp_path: Path) -> ArtifactStore:
        return FileArtifacts(tmp_path / "artifacts")

    def damage(self, artifacts: ArtifactStore, digest: str) -> None:
        path = artifacts.path(digest)
        path.chmod(0o644)
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_blobs_are_read_only_and_sharded_by_their_first_digits(tmp_path: Path) -> None:
    artifacts = FileArtifacts(tmp_path)
    path = artifacts.path(artifacts.put(b"blob"))
    assert path.parent.name == path.name[:2]
    assert stat.S_IMODE(path.stat().st_mode) == 0o444 & ~_umask()


def test_what_a_dead_writer_left_is_invisible_and_cleaned(tmp_path: Path) -> None:
    artifacts = FileArtifacts(tmp_path)
    artifacts.put(b"whole")
    (tmp_path / "staging" / "half").write_bytes(b"hal")
    assert len(list(artifacts.digests())) == 1
    assert artifacts.clean() == 0
    assert artifacts.clean(older_than_s=0) == 1
    assert list((tmp_path / "staging").iterdir()) == []


def test_a_store_in_an_impossible_place_is_a_coded_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CannotWrite, match="artifact store"):
        FileArtifacts(tmp_path / "file" / "artifacts").put(b"x")


def test_an_artifact_that_cannot_be_opened_now_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts = FileArtifacts(tmp_path)
    digest = artifacts.put(b"whole")
    for number in (errno.EMFILE, errno.EACCES):
        with monkeypatch.context() as patch:

            def fail(*_: object, number: int = number, **__: object) -> None:
                raise OSError(number, os.strerror(number))

            patch.setattr(Path, "open", fail)
            patch.setattr(Path, "stat", fail)
            for ask in (artifacts.open, artifacts.read, artifacts.size, artifacts.has):
                with pytest.raises(ArtifactUnreadable, match=os.strerror(number)) as refused:
                    ask(digest)
                assert refused.value.code == "FB-STORE-013"
    artifacts.delete(digest)
    assert not artifacts.has(digest)
    with pytest.raises(ArtifactMissing):
        artifacts.size(digest)


def test_what_a_living_writer_is_writing_is_not_cleaned(tmp_path: Path) -> None:
    artifacts = FileArtifacts(tmp_path)

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            assert artifacts.clean(older_than_s=-60) == 0
            return super().read(size)

    assert artifacts.read(artifacts.put(Slow(b"slowly"))) == b"slowly"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
