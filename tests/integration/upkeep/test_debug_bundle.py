"""A debug bundle tells versions, counts, times and codes; nothing of the data, no name, no key, no secret is in it."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import flyball as fb
from flyball.core.clock import SystemClock
from flyball.core.errorlog import last_errors, note_error
from support.command_line import flyball, tree
from support.projects import make_project

STATE = ".flyball"
SECRETS = {
    "LOGNAME": "account-secret-3",
    "FLYBALL_TOKEN": "token-hunter2-hunter2-hunter2",
    "DATABASE_URL": "postgresql://u:pass-w0rd-9@host/db",
}


def content(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return b"\n".join(archive.read(name) for name in archive.namelist())


def part(path: Path, name: str) -> dict[str, object]:
    with zipfile.ZipFile(path) as archive:
        read: dict[str, object] = json.loads(archive.read(f"{name}.json"))
        return read


def telling(values: set[str]) -> list[str]:
    """Values that cannot stand in a debug bundle by chance, as a row's number does that is also a count of bytes."""
    return sorted(value for value in values if len(value) > 3 and not value.isdigit())


@pytest.fixture(scope="module")
def machines(machines_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project on the example table, with a version, an alias and secrets in every place for them."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SECRETS.items():
            patch.setenv(name, value)
        folder, _ = make_project(
            tmp_path_factory.mktemp("debug") / "machines-of-acme", machines_csv, "Machine failure", name="acme-presses"
        )
        text = (folder / "flyball.toml").read_text("utf-8")
        text = text.replace('target = "Machine failure"', 'target = "Machine failure"\npositive = 1\ndrop = ["Type"]')
        (folder / "flyball.toml").write_text(text + "\n# password = comment-secret-5\n", "utf-8")
        flyball("run", "--budget", "1s", "--reason", "reason-secret-31", folder=folder).answer()
        flyball("promote", "acme-presses@1", "alias-secret-8", "--reason", "why-secret-12", folder=folder).answer()
        yield folder


def test_no_value_name_key_or_secret_is_in_a_debug_bundle(machines: Path, machines_csv: Path, tmp_path: Path) -> None:
    before = tree(machines)
    answer = flyball("debug-bundle", tmp_path / "report.zip", folder=machines).answer()
    assert tree(machines) == before
    assert {"doctor.json", "store.json", "project_file.json", "versions.json"} <= set(answer["files"])
    told = content(tmp_path / "report.zip")
    table = pl.read_csv(machines_csv, infer_schema=False)
    values = {value for column in table for value in column.to_list() if value is not None}
    assert len(telling(values)) > 10_000
    words = set(re.findall(r"[\w.+-]+", told.decode()))
    assert [value for value in telling(values) if value in words] == []
    assert [value for value in telling(values) if not value.replace(".", "").isdigit() and value.encode() in told] == []
    names = [
        *table.columns,
        "acme",
        "Machine failure",
        "Machine",
        "secret",
        machines_csv.name,
        str(tmp_path),
        str(machines),
    ]
    names += [path.name for path in (machines / STATE / "keys").iterdir()] + [
        path.stem for path in (machines / STATE / "keys").iterdir()
    ]
    assert [name for name in names if len(name) > 3 and name.encode() in told] == []
    for path in (machines / STATE / "keys").iterdir():
        assert path.read_bytes().splitlines()[1] not in told
    for secret in ("hunter2", "pass-w0rd-9", os.environ.get("HOSTNAME") or "no-such-host", "comment-secret"):
        assert secret.encode() not in told


def test_it_tells_what_a_report_needs(machines: Path, tmp_path: Path) -> None:
    flyball("debug-bundle", tmp_path, folder=machines).answer()
    (path,) = tmp_path.glob("flyball-debug-*.zip")
    store = part(path, "store")
    assert store["tables"]["rows"]["model_versions"] == 1  # type: ignore[index]
    assert store["ledger"]["entries"]["version.registered"] == 1  # type: ignore[index]
    assert [run["status"] for run in store["runs"]] == ["done"]  # type: ignore[attr-defined]
    assert store["versions"][0]["task"] == "binary"  # type: ignore[index]
    project_file = part(path, "project_file")
    assert project_file["model"]["model-1"]["budget"] == "60 s"  # type: ignore[index]
    assert project_file["data"]["data-1"]["kind"] == "csv"  # type: ignore[index]
    states = {check["name"]: check["state"] for check in part(path, "doctor")["checks"]}  # type: ignore[attr-defined]
    assert states["store integrity"] == "ok"
    assert flyball("debug-bundle", path, folder=machines).error(2)["code"] == "FB-BACKUP-003"


@pytest.mark.parametrize("harm", ["store", "project file", "no store", "no project"])
def test_it_can_be_made_of_what_is_broken(
    harm: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if harm == "store":
        (folder / STATE / "flyball.db").write_bytes(b"secret-content" * 1000)
    elif harm == "no store":
        (folder / STATE / "flyball.db").unlink()
    elif harm == "project file":
        (folder / "flyball.toml").write_text('[project]\nname = "n"\nsecret-key = "secret-content"\n')
    words = () if harm == "no project" else ("--dir", folder)
    answer = flyball("debug-bundle", tmp_path / "r.zip", *words).answer()
    assert answer["ok"] is (harm == "no project")
    told = content(tmp_path / "r.zip")
    assert b"secret" not in told
    if harm == "project file":
        assert part(tmp_path / "r.zip", "project_file")["refused"] == {"code": "FB-CONFIG-003", "line": 3}
    elif harm != "no project":
        assert str(part(tmp_path / "r.zip", "store")["refused"]).startswith("FB-STORE-")


def test_unforeseen_failures_are_kept_by_their_place_in_the_code_and_not_by_what_they_said(folder: Path) -> None:
    state = folder / STATE
    for number in range(30):
        try:
            fb.open(folder).version(None)  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001 - whatever a mistake in a program leads to
            note_error(state, error, "predict", SystemClock())
        assert len(last_errors(state)) == min(number + 1, 20)
    kept = last_errors(state)[-1]
    assert kept["command"] == "predict"
    assert kept["frames"]
    assert set(kept) == {"time", "version", "command", "error", "frames"}
    (state / "errors.jsonl").write_text(
        '{"time": "x y", "frames": []}\nnonsense\n' + json.dumps({**kept, "error": "a b"})
    )
    assert last_errors(state) == []
    note_error(folder / "nowhere", ValueError("x"), "run", SystemClock())
    assert not (folder / "nowhere").exists()
