from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from flyball.core.files import CannotWrite
from flyball.store import ArtifactStore, FileArtifacts
from flyball.testing.artifacts import ArtifactStoreContract


class TestFileArtifacts(ArtifactStoreContract):
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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
