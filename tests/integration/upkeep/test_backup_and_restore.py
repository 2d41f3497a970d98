"""Backup and restore: whole or not at all, into new folders only, and nothing that is damaged or made up gets in."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import sqlite3
import stat
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

import flyball as fb
from support.command_line import flyball, tree
from support.projects import standing

STATE = ".flyball"


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {one.name: archive.extractfile(one).read() for one in archive.getmembers()}  # type: ignore[union-attr]


def rewritten(path: Path, to: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]) -> Path:
    """The same backup with its members changed."""
    with tarfile.open(path) as archive:
        parts = [(one, archive.extractfile(one).read()) for one in archive.getmembers()]  # type: ignore[union-attr]
    change(parts)
    with tarfile.open(to, "w", format=tarfile.GNU_FORMAT) as archive:  # fills to a whole record, as ours does
        for header, data in parts:
            header.size = len(data) if header.isreg() else 0
            archive.addfile(header, io.BytesIO(data) if header.isreg() else None)
    return to


def refused(file: Path, tmp_path: Path, code: str = "FB-BACKUP-001", exit_code: int = 2) -> dict[str, object]:
    """A restore that must fail and leave nothing."""
    place = tmp_path / "place"
    place.mkdir(exist_ok=True)
    error = flyball("restore", file, "--dir", place / "deep" / "new").error(exit_code)
    assert error["code"] == code, error
    assert tree(place) == {}
    return error


# -- what comes back


def test_a_restored_project_is_the_one_that_was_backed_up(taken: Path, tmp_path: Path) -> None:
    original = standing("binary").folder
    answer = flyball("restore", taken, "--dir", tmp_path / "new").answer()
    assert (answer["project"], answer["versions"], answer["keys"]) == ("plant", 1, True)
    new = tmp_path / "new"
    assert flyball("audit", "verify", folder=new).answer()["ok"]
    same = ("flyball.toml", f"{STATE}/bundles", f"{STATE}/keys", f"{STATE}/reports")
    for part in same:
        before, after = original / part, new / part
        assert (tree(after) if after.is_dir() else after.read_bytes()) == (
            tree(before) if before.is_dir() else before.read_bytes()
        )
    (key,) = (new / STATE / "keys").glob("*.pem")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert {path.suffix for path in new.rglob("*") if path.is_file()}.isdisjoint({".tmp", ".db-wal"})
    flyball("promote", "plant@1", "production", "--reason", "it can be signed", folder=new).answer()
    assert flyball("run", "--budget", "1s", folder=new).answer()["reused"] == ["read", "look", "train", "prove"]


def test_a_backup_can_be_opened_with_tar_gunzip_and_sha256sum_alone(taken: Path, tmp_path: Path) -> None:
    subprocess.run(["tar", "xf", taken, "-C", tmp_path], check=True)
    subprocess.run(["sha256sum", "--check", "--quiet", "backup.json.sha256"], check=True, cwd=tmp_path)
    subprocess.run(["gunzip", "store.db.gz"], check=True, cwd=tmp_path)
    manifest = json.loads((tmp_path / "backup.json").read_bytes())
    for held in manifest["files"]:
        path = tmp_path / held["name"]
        data = path.read_bytes() if path.exists() else gzip.decompress(path.with_name(path.name + ".gz").read_bytes())
        assert (len(data), hashlib.sha256(data).hexdigest()) == (held["size"], held["sha256"])
    with sqlite3.connect(tmp_path / "store.db") as store:
        assert store.execute("SELECT count(*) FROM model_versions").fetchone() == (1,)
    store.close()


def test_a_backup_names_itself_in_a_folder_tells_the_ledger_and_never_replaces_a_file(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "nightly").mkdir()
    answer = flyball("backup", tmp_path / "nightly", folder=folder).answer()
    path = Path(answer["path"])
    assert path.parent == tmp_path / "nightly"
    assert path.name.startswith("plant-")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    data = path.read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (answer["size"], answer["sha256"])
    (entry,) = flyball("audit", "log", "--what", "backup.taken", folder=folder).answer()["entries"]
    assert entry["binds"] == {"backup": answer["sha256"]}
    assert flyball("backup", path, folder=folder).error(2)["code"] == "FB-BACKUP-003"
    assert path.read_bytes() == data
    assert sorted(tree(tmp_path / "nightly")) == [path.name]


def test_a_backup_without_keys_holds_none_and_its_project_signs_with_a_new_one(folder: Path, tmp_path: Path) -> None:
    answer = flyball("backup", tmp_path / "b.tar", "--without-keys", folder=folder).answer()
    assert answer["keys"] == 0
    (key,) = (folder / STATE / "keys").glob("*.pem")
    assert key.read_bytes() not in (tmp_path / "b.tar").read_bytes()
    restored = flyball("restore", tmp_path / "b.tar", "--dir", tmp_path / "new").answer()
    assert any("rotate" in note for note in restored["notes"])
    error = flyball("promote", "plant@1", "production", "--reason", "r", folder=tmp_path / "new").error(3)
    assert error["code"] == "FB-KEY-001"
    flyball("keys", "rotate", "--reason", "the old one stayed behind", folder=tmp_path / "new").answer()
    flyball("promote", "plant@1", "production", "--reason", "r", folder=tmp_path / "new").answer()


def test_keys_that_were_rotated_come_along_and_revoked_ones_do_not(folder: Path, tmp_path: Path) -> None:
    first = flyball("keys", "list", folder=folder).answer()["keys"][0]["id"]
    flyball("keys", "rotate", "--reason", "yearly", folder=folder).answer()
    assert flyball("backup", tmp_path / "both.tar", folder=folder).answer()["keys"] == 2
    flyball("keys", "revoke", first, "--reason", "lost", folder=folder).answer()
    assert flyball("backup", tmp_path / "one.tar", folder=folder).answer()["keys"] == 1
    assert f"keys/{first}.pem" not in members(tmp_path / "one.tar")
    flyball("restore", tmp_path / "one.tar", "--dir", tmp_path / "new").answer()


def test_the_same_from_python(folder: Path, tmp_path: Path) -> None:
    project = fb.open(folder)
    taken = project.backup(tmp_path / "b.tar")
    anchored = project.anchor()
    project.close()
    restored = fb.restore(taken.path, tmp_path / "new")
    assert (restored.versions, restored.verification.ok) == (1, True)
    # The entry that tells of the backup came after it, so a checkpoint over it is later than what was backed up.
    with pytest.raises(fb.FlyballError, match="does not verify"):
        fb.restore(taken.path, tmp_path / "later", checkpoints=[anchored])
    assert not (tmp_path / "later").exists()


def test_tables_in_the_projects_folder_are_named_as_left_out(folder: Path, tmp_path: Path) -> None:
    shutil.copy(standing("binary").source, folder / "table.csv")
    text = (folder / "flyball.toml").read_text("utf-8").replace(str(standing("binary").source), "table.csv")
    (folder / "flyball.toml").write_text(text, "utf-8")
    assert flyball("backup", tmp_path / "b.tar", folder=folder).answer()["sources_left_out"] == ["plant"]


def test_a_store_and_artifacts_outside_the_project_come_into_the_restored_folder(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (folder / STATE / "artifacts").rename(outside / "blobs")
    for path in (folder / STATE).glob("flyball.db*"):
        path.rename(outside / path.name)
    text = (folder / "flyball.toml").read_text("utf-8")
    text = text.replace('# store = "sqlite:///.flyball/flyball.db"', f'store = "sqlite:///{outside}/flyball.db"')
    text = text.replace('# artifacts = ".flyball/artifacts"', f'artifacts = "{outside}/blobs"')
    (folder / "flyball.toml").write_text(text, "utf-8")
    flyball("backup", tmp_path / "b.tar", folder=folder).answer()
    before = tree(outside)
    restored = flyball("restore", tmp_path / "b.tar", "--dir", tmp_path / "new").answer()
    assert any("outside" in note for note in restored["notes"])
    assert (tmp_path / "new" / STATE / "flyball.db").is_file()
    assert flyball("promote", "plant@1", "production", "--reason", "r", folder=tmp_path / "new").answer()["moved"]
    assert tree(outside) == before


# -- what is refused


def test_only_a_new_or_empty_folder_is_restored_into(taken: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    flyball("restore", taken, "--dir", tmp_path / "empty").answer()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "empty-target")
    for place in ("full", "empty", "link", "full/mine"):
        assert flyball("restore", taken, "--dir", tmp_path / place).error(2)["code"] == "FB-BACKUP-005"
    assert tree(tmp_path / "full") == {"mine": b"mine"}


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "text", "zip"])
def test_what_is_no_backup_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_bytes({"empty": b"", "text": b"a,b\n1,2\n" * 400, "zip": b"PK\x03\x04" + bytes(2000)}[kind])
    code = "FB-BACKUP-009" if kind in ("missing", "folder") else "FB-BACKUP-001"
    refused(path, tmp_path, code)


def test_a_backup_cut_short_anywhere_is_refused(taken: Path, tmp_path: Path) -> None:
    data = taken.read_bytes()
    ends = [100, 512, 3000, *range(20_000, len(data), len(data) // 7), len(data) - 10_240, len(data) - 1]
    for end in ends:
        path = tmp_path / "short.tar"
        path.write_bytes(data[:end])
        refused(path, tmp_path)


def test_a_flipped_bit_is_refused_or_restores_the_same(taken: Path, tmp_path: Path) -> None:
    data, whole = taken.read_bytes(), tmp_path / "whole"
    flyball("restore", taken, "--dir", whole).answer()
    expected = tree(whole)
    kept = 0
    for place in range(37, len(data), len(data) // 60):
        path, new = tmp_path / "flipped.tar", tmp_path / "new"
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        ended = flyball("restore", path, "--dir", new)
        if ended.code:
            assert ended.error(2)["code"] in ("FB-BACKUP-001", "FB-BACKUP-002")
            assert not new.exists()
        else:
            found = tree(new)
            assert {name: found[name] for name in found if "flyball.db" not in name} == {
                name: expected[name] for name in expected if "flyball.db" not in name
            }
            shutil.rmtree(new)
            kept += 1
    assert kept < 10  # the filling between the files says nothing, so a bit of it may differ


Parts = list[tuple[tarfile.TarInfo, bytes]]


def add(name: str, *, kind: bytes = tarfile.REGTYPE, link: str = "", at: int = 3) -> Callable[[Parts], None]:
    header = tarfile.TarInfo(name)
    header.type, header.linkname = kind, link

    def change(parts: Parts) -> None:
        parts.insert(at, (header, b"planted"))

    return change


def twice(parts: Parts) -> None:
    parts.insert(4, parts[3])


def without_an_artifact(parts: Parts) -> None:
    parts.pop(next(place for place, (header, _) in enumerate(parts) if header.name.startswith("artifacts/")))


def in_another_order(parts: Parts) -> None:
    parts[1], parts[2] = parts[2], parts[1]


def renamed_in_the_manifest(to: str) -> Callable[[Parts], None]:
    """A backup that is consistent in itself, as whoever makes one up would make it."""

    def change(parts: Parts) -> None:
        manifest = json.loads(parts[0][1])
        place = next(place for place, (header, _) in enumerate(parts) if header.name.startswith("reports/"))
        held = next(held for held in manifest["files"] if held["name"] == parts[place][0].name)
        held["name"] = parts[place][0].name = to
        put_manifest(parts, manifest)

    return change


def stated_in_the_manifest(**changed: object) -> Callable[[Parts], None]:
    return lambda parts: put_manifest(parts, {**json.loads(parts[0][1]), **changed})


def put_manifest(parts: Parts, manifest: dict[str, object]) -> None:
    data = json.dumps(manifest).encode()
    parts[0] = (parts[0][0], data)
    parts[-1] = (parts[-1][0], f"{hashlib.sha256(data).hexdigest()}  backup.json\n".encode())


@pytest.mark.parametrize(
    "change",
    [
        add("../escaped"), add("/tmp/escaped"), add("artifacts/../../escaped"), add(".flyball/run.py"),
        add("flyball.toml", kind=tarfile.SYMTYPE, link="/etc/passwd", at=1), add("keys/x", kind=tarfile.LNKTYPE, link="a"),
        add("device", kind=tarfile.CHRTYPE), add("pipe", kind=tarfile.FIFOTYPE), add("folder", kind=tarfile.DIRTYPE),
        add("long" * 60), twice, without_an_artifact, in_another_order, add("after", at=10_000),
        renamed_in_the_manifest("../escaped"), renamed_in_the_manifest("reports/../../escaped-1.html"),
        renamed_in_the_manifest("bundles/plant/1/evil.py"), renamed_in_the_manifest("/etc/cron.d/evil"),
        stated_in_the_manifest(taken="yesterday\x1b[2J"),
    ],
)  # fmt: skip
def test_what_does_not_belong_into_a_backup_does_not_get_out_of_it(
    change: Callable[[Parts], None], taken: Path, tmp_path: Path
) -> None:
    refused(rewritten(taken, tmp_path / "changed.tar", change), tmp_path)


def test_a_restored_project_is_called_as_its_project_file_says_whatever_the_manifest_claims(
    taken: Path, tmp_path: Path
) -> None:
    made_up = rewritten(taken, tmp_path / "named.tar", stated_in_the_manifest(project="other\x1b[2J"))
    assert flyball("restore", made_up, "--dir", tmp_path / "new").answer()["project"] == "plant"


def test_a_file_that_claims_to_be_larger_than_the_disk_is_refused_at_once(taken: Path, tmp_path: Path) -> None:
    def claim(parts: Parts) -> None:
        manifest = json.loads(parts[0][1])
        next(held for held in manifest["files"] if held["name"] == "store.db")["size"] = 1 << 60
        parts[0] = (parts[0][0], json.dumps(manifest).encode())

    refused(rewritten(taken, tmp_path / "large.tar", claim), tmp_path, "FB-FILE-002")


def test_a_file_that_unpacks_into_more_than_it_states_is_refused(taken: Path, tmp_path: Path) -> None:
    def bomb(parts: Parts) -> None:
        place = next(place for place, (header, _) in enumerate(parts) if header.name == "store.db.gz")
        parts[place] = (parts[place][0], gzip.compress(bytes(200 << 20)))

    assert "long" in str(refused(rewritten(taken, tmp_path / "bomb.tar", bomb), tmp_path)["why"])


def test_a_newer_format_is_told_apart_from_damage(taken: Path, tmp_path: Path) -> None:
    def newer(parts: Parts) -> None:
        parts[0] = (parts[0][0], json.dumps({**json.loads(parts[0][1]), "format": 2}).encode())

    refused(rewritten(taken, tmp_path / "newer.tar", newer), tmp_path, "FB-BACKUP-002")


def test_a_backup_whose_ledger_was_edited_does_not_verify(taken: Path, tmp_path: Path) -> None:
    """Whoever makes up a consistent file still cannot make up a history that was signed."""

    def edit(parts: Parts) -> None:
        place = next(place for place, (header, _) in enumerate(parts) if header.name == "store.db.gz")
        store = tmp_path / "edited.db"
        store.write_bytes(gzip.decompress(parts[place][1]))
        with sqlite3.connect(store) as connection:
            connection.execute("UPDATE model_versions SET reason = 'another'")
        connection.close()
        data, manifest = store.read_bytes(), json.loads(parts[0][1])
        held = next(held for held in manifest["files"] if held["name"] == "store.db")
        held["size"], held["sha256"] = len(data), hashlib.sha256(data).hexdigest()
        parts[place] = (parts[place][0], gzip.compress(data))
        listed = json.dumps(manifest).encode()
        parts[0] = (parts[0][0], listed)
        parts[-1] = (parts[-1][0], f"{hashlib.sha256(listed).hexdigest()}  backup.json\n".encode())

    error = refused(rewritten(taken, tmp_path / "edited.tar", edit), tmp_path, "FB-BACKUP-006", 3)
    assert "FB-AUDIT-016" in str(error["why"])


def test_a_project_that_lost_an_artifact_or_was_rolled_back_is_not_backed_up(folder: Path, tmp_path: Path) -> None:
    earlier = {path: path.read_bytes() for path in (folder / STATE).glob("flyball.db*")}
    flyball("promote", "plant@1", "staging", "--reason", "later", folder=folder).answer()
    (tmp_path / "to").mkdir()
    bound = json.loads((folder / STATE / "bundles/plant/1/manifest.json").read_bytes())
    assert bound
    digest = hashlib.sha256((folder / STATE / "bundles/plant/1/model.onnx").read_bytes()).hexdigest()
    blob = folder / STATE / "artifacts" / digest[:2] / digest
    content = blob.read_bytes()
    blob.unlink()
    assert flyball("backup", tmp_path / "to" / "b.tar", folder=folder).error(3)["code"] == "FB-BACKUP-004"
    blob.write_bytes(content[:-1] + b"\0")
    assert flyball("backup", tmp_path / "to" / "b.tar", folder=folder).error(3)["code"] == "FB-BACKUP-004"
    blob.write_bytes(content)
    for path in (folder / STATE).glob("flyball.db*"):
        path.unlink()
    for path, data in earlier.items():
        path.write_bytes(data)
    assert flyball("backup", tmp_path / "to" / "b.tar", folder=folder).error(1)["code"] == "FB-BACKUP-008"
    assert tree(tmp_path / "to") == {}
