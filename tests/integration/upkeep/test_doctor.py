"""The doctor names what ails an installation or a project, and never changes anything."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flyball.project import doctor
from support.command_line import flyball, tree
from support.disks import Mount
from support.projects import standing

from .conftest import checks

STATE = ".flyball"


def test_a_whole_project_is_well_and_stays_byte_for_byte_as_it_is(folder: Path) -> None:
    before = tree(folder)
    found = checks(folder)
    assert {check["state"] for check in found.values()} == {"ok"}
    assert {"python", "packages", "runtime", "clock", "project file", "data sources", "disk", "store", "store integrity",
            "store writable", "head.json", "time", "keys", "artifacts", "bundles", "leftovers"} <= found.keys()  # fmt: skip
    deep = checks(folder, "--deep")
    assert deep.keys() - found.keys() == {"libraries", "audit"}
    assert tree(folder) == before


def test_outside_a_project_the_installation_alone_is_examined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = flyball("doctor").answer()
    assert told["project"] is None
    assert told["ok"]
    assert flyball("doctor", folder=tmp_path).error(2)["code"] == "FB-PROJECT-001"
    assert tree(tmp_path) == {}


def first_blob(folder: Path) -> Path:
    import hashlib

    digest = hashlib.sha256((folder / STATE / "bundles/plant/1/model.onnx").read_bytes()).hexdigest()
    return folder / STATE / "artifacts" / digest[:2] / digest


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def forget_key(folder: Path) -> None:
    next((folder / STATE / "keys").glob("*.pem")).unlink()


def show_key(folder: Path) -> None:
    next((folder / STATE / "keys").glob("*.pem")).chmod(0o644)


def another_key(folder: Path) -> None:
    next((folder / STATE / "keys").glob("*.pem")).write_bytes(b"no key")


def roll_back(folder: Path) -> None:
    earlier = {path: path.read_bytes() for path in (folder / STATE).glob("flyball.db*")}
    flyball("promote", "plant@1", "staging", "--reason", "later", folder=folder).answer()
    tree(folder)
    for path in (folder / STATE).glob("flyball.db*"):
        path.unlink()
    for path, data in earlier.items():
        path.write_bytes(data)


def overwrite_store(folder: Path) -> None:
    store = folder / STATE / "flyball.db"
    store.write_bytes(store.read_bytes()[:4096] + os.urandom(8192) + store.read_bytes()[12_288:])


def newer_store(folder: Path) -> None:
    with sqlite3.connect(folder / STATE / "flyball.db") as store:
        store.execute("UPDATE alembic_version SET version_num = '9999_later'")
    store.close()


def break_project_file(folder: Path) -> None:
    (folder / "flyball.toml").write_text("[project\n")


@pytest.mark.parametrize(
    ("harm", "name"),
    [
        (forget_key, "keys"), (show_key, "keys"), (another_key, "keys"), (roll_back, "head.json"),
        (lambda folder: first_blob(folder).unlink(), "artifacts"), (lambda folder: flip(first_blob(folder)), "artifacts"),
        (lambda folder: (folder / STATE / "bundles/plant/1/card.md").unlink(), "bundles"),
        (lambda folder: (folder / STATE / "flyball.db").unlink(), "store"),
        (lambda folder: (folder / STATE / "flyball.db").write_bytes(b"no database at all" * 100), "store"),
        (newer_store, "store"), (break_project_file, "project file"),
        (lambda folder: shutil.rmtree(folder / STATE), "store"),
    ],
)  # fmt: skip
def test_what_is_broken_is_a_problem_with_its_place_and_its_fix(
    harm: Callable[[Path], object], name: str, folder: Path
) -> None:
    harm(folder)
    before = tree(folder)
    check = checks(folder, code=1)[name]
    assert check["state"] == "problem"
    assert check["what"]
    assert check["fix"]
    assert check["where"]
    assert tree(folder) == before


def test_a_store_of_random_bytes_is_reported_not_raised(folder: Path) -> None:
    overwrite_store(folder)
    found = checks(folder, code=1)
    assert [check for check in found.values() if check["state"] == "problem"]
    assert all(
        check["state"] == "problem" for name, check in checks(folder, "--deep", code=1).items() if name == "audit"
    )


def lose_bundle(folder: Path) -> None:
    shutil.rmtree(folder / STATE / "bundles" / "plant" / "1")


def half_written(folder: Path) -> None:
    (folder / STATE / "artifacts" / "staging").mkdir(exist_ok=True)
    (folder / STATE / "artifacts" / "staging" / "half").write_bytes(b"half")


def interrupted_run(folder: Path) -> None:
    with sqlite3.connect(folder / STATE / "flyball.db") as store:
        store.execute(
            "INSERT INTO runs VALUES ('run_x', 'loop', 'running', '{}', '{}', '{}',"
            ' \'{"auth": "os", "id": "a", "kind": "user"}\', \'2026-01-01T00:00:00.000000Z\', NULL)'
        )
    store.close()


@pytest.mark.parametrize(
    ("harm", "name"),
    [
        (lose_bundle, "bundles"), (half_written, "leftovers"), (interrupted_run, "leftovers"),
        (lambda folder: (folder / STATE / "head.json").unlink(), "head.json"),
        (lambda folder: (folder / "flyball.toml").write_text(
            (folder / "flyball.toml").read_text("utf-8").replace("table.csv", "gone.csv"), "utf-8"), "data sources"),
    ],
)  # fmt: skip
def test_what_is_made_anew_when_needed_is_only_a_warning(
    harm: Callable[[Path], object], name: str, folder: Path
) -> None:
    harm(folder)
    check = checks(folder)[name]
    assert (check["state"], bool(check["fix"])) == ("warning", True)


def test_a_clock_that_is_behind_the_ledger_or_behind_the_times_is_a_problem(folder: Path) -> None:
    class Behind:
        def now(self) -> datetime:
            return datetime(2001, 1, 1, tzinfo=UTC)

    told = {check.name: check for check in doctor(folder, clock=Behind()).checks}
    assert told["clock"].state == told["time"].state == "problem"


def test_packages_that_do_not_fit_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from flyball.upkeep import installation

    real = installation._version
    monkeypatch.setattr(installation, "_version", lambda name: {"duckdb": "1.9.9", "rich": None}.get(name, real(name)))
    check = installation._packages()
    assert check.state == "problem"
    assert "duckdb 1.9.9, needed >=2" in str(check.why)
    assert "rich is missing" in str(check.why)


# -- read-only media


@pytest.mark.parametrize("crashed", [False, True], ids=["at rest", "with a log that waits"])
def test_a_project_on_read_only_media_is_examined_and_verified_without_a_write(
    crashed: bool, small_disk: Mount
) -> None:
    disk = small_disk("size=20m")
    folder = standing("binary").copy(disk / "p")
    entries = witnessed(folder)
    if crashed:
        leave_a_log(folder)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    before = tree(disk)
    found = checks(folder)
    assert found["store writable"]["state"] == "warning"
    assert {name for name, check in found.items() if check["state"] != "ok"} == {"store writable"}
    told = flyball("audit", "verify", folder=folder).answer()
    assert told["ok"]
    assert told["checked"]["entries"] == (entries + 1 if crashed else entries)
    assert tree(disk) == before


def test_a_log_without_its_index_on_read_only_media_is_read_all_the_same(small_disk: Mount) -> None:
    disk = small_disk("size=20m")
    folder = standing("binary").copy(disk / "p")
    entries = witnessed(folder)
    leave_a_log(folder)
    (folder / STATE / "flyball.db-shm").unlink()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert flyball("audit", "verify", folder=folder).answer()["checked"]["entries"] == entries + 1
    assert checks(folder)["head.json"]["facts"] == {"entries": entries + 1}


def witnessed(folder: Path) -> int:
    """How many entries the head witness knows: other tests may have added to the project that this one is a copy of."""
    return int(json.loads((folder / STATE / "head.json").read_bytes())["size"])


def leave_a_log(folder: Path) -> None:
    """A promotion whose process dies right after it is durable: it stands in the log alone."""
    before = witnessed(folder)
    environment = {**os.environ, "FLYBALL_FAILPOINT": "ledger.head:after"}
    died = subprocess.run(
        [shutil.which("flyball", path=str(Path(sys.executable).parent)), "promote", "plant@1", "staging", "--reason",
         "r", "--dir", folder], env=environment, check=False, capture_output=True,
    )  # fmt: skip
    assert died.returncode == -9
    assert (folder / STATE / "flyball.db-wal").stat().st_size > 0
    assert witnessed(folder) == before + 1
