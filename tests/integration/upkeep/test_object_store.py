"""A project whose artifacts lie in a bucket is kept, judged, backed up and cleaned as one with a folder is."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

import flyball as fb
from flyball.project import Project
from flyball.store import open_artifacts
from support.command_line import flyball
from support.object_store import ObjectServer
from support.projects import standing


@pytest.fixture
def folder(bucket: str, tmp_path: Path) -> Path:
    """The standing project, moved into a bucket: its artifacts are copied, and one line of its file is changed."""
    folder = standing("binary").copy(tmp_path / "project")
    copied = flyball("store", "copy-artifacts", "--to", bucket, folder=folder).answer()
    assert copied["copied"] > 5
    again = flyball("store", "copy-artifacts", "--to", bucket, folder=folder).answer()
    assert (again["copied"], again["present"]) == (0, copied["copied"])
    file = folder / "flyball.toml"
    text = file.read_text().replace('# artifacts = ".flyball/artifacts"', f'artifacts = "{bucket}"')
    assert bucket in text
    file.write_text(text)
    (folder / ".flyball" / "artifacts").rename(tmp_path / "not-here-any-more")
    return folder


def test_a_moved_project_verifies_and_runs_on(folder: Path, object_store: ObjectServer, bucket: str) -> None:
    before = flyball("audit", "verify", folder=folder).answer()
    assert before["checked"]["artifacts"] == len(object_store.keys(bucket))
    flyball("run", "--budget", "2s", "--reason", "again", folder=folder).answer()
    assert flyball("audit", "verify", folder=folder).answer()["checked"]["artifacts"] > before["checked"]["artifacts"]
    doctor = flyball("doctor", folder=folder).answer()
    checks = {check["name"]: check for check in doctor["checks"]}
    assert checks["artifacts"]["state"] == "ok"
    assert not (folder / ".flyball" / "artifacts").exists()
    assert not [key for key in object_store.keys(bucket) if "staging" in key]


def test_damage_in_the_bucket_is_found(folder: Path, object_store: ObjectServer, bucket: str) -> None:
    key = object_store.keys(bucket)[0].removeprefix("some/prefix/")
    object_store.put(bucket, key, b"something else")
    found = flyball("audit", "verify", folder=folder).answer(1)
    assert any(key[3:] in (problem["where"] or "") for problem in found["problems"])


def test_a_backup_of_it_is_restored_into_a_folder(folder: Path, tmp_path: Path) -> None:
    backup = flyball("backup", tmp_path / "kept.tar", folder=folder).answer()
    restored = flyball("restore", tmp_path / "kept.tar", "--dir", tmp_path / "restored").answer()
    assert restored["checked"]["artifacts"] >= backup["artifacts"] > 5
    assert any("artifacts lay outside" in note for note in restored["notes"])
    assert (tmp_path / "restored" / ".flyball" / "artifacts").is_dir()


def test_removed_runs_leave_no_byte_in_the_bucket_unless_it_is_shared(
    object_store: ObjectServer, bucket: str, tmp_path: Path
) -> None:
    (tmp_path / "flyball.toml").write_text(
        f'[project]\nname = "tracking"\nartifacts = "{bucket}"\n[retention]\ndeleted_runs = "0s"\n'
    )
    secret, shared = b"UNIQUE-SECRET" + os.urandom(12 << 20), b"SHARED"
    project: Project = fb.open(tmp_path)
    tracking = project.tracking
    runs = [tracking.runs.create(0, name=name).id for name in ("goes", "stays")]
    tracking.files.put(f"0/{runs[0]}/artifacts/secret", io.BytesIO(secret))
    for run in runs:
        tracking.files.put(f"0/{run}/artifacts/shared", shared)
    tracking.runs.delete(runs[0])
    project.close()
    assert len(object_store.keys(bucket)) == 2
    assert flyball("clean", "--dry-run", folder=tmp_path).answer()["removed"]["deleted_runs"]["count"] == 1
    cleaned = flyball("clean", folder=tmp_path).answer()
    assert cleaned["removed"]["deleted_runs"]["bytes"] >= len(secret)
    left = object_store.keys(bucket)
    assert [object_store.get(bucket, key.removeprefix("some/prefix/")) for key in left] == [shared]
    assert flyball("audit", "verify", folder=tmp_path).answer()["ok"]


def test_artifacts_are_copied_between_any_two_places(bucket: str, tmp_path: Path) -> None:
    source = open_artifacts(tmp_path / "old")
    digests = sorted(source.put(os.urandom(100 * number)) for number in range(8))
    for old, new in ((tmp_path / "old", bucket), (bucket, tmp_path / "new")):
        found = flyball("store", "copy-artifacts", "--from", old, "--to", new, folder=tmp_path).answer()
        assert (found["copied"], found["bytes"]) == (8, 2800)
    assert list(open_artifacts(tmp_path / "new").digests()) == digests
    told = flyball("store", "copy-artifacts", "--to", "ftp://old/x", folder=tmp_path).error(2)
    assert told["code"] == "FB-PROJECT-012"
