"""A backup taken while a run, a server and promotions go on restores to a project that verifies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import flyball as fb
from support.command_line import flyball
from support.load import Asked, asking, command, promoting, serving
from support.projects import TARGET, standing

BACKUPS = 5


def rows() -> list[dict[str, object]]:
    table = standing("binary").table.drop(TARGET).head(20)
    return json.loads(table.write_json())  # type: ignore[no-any-return]


@pytest.mark.timeout(600)
def test_backups_during_a_run_under_load_restore_to_projects_that_verify(tmp_path: Path) -> None:
    folder = standing("binary").copy(tmp_path / "p")
    acknowledged: list[set[str]] = []
    with serving(folder, "plant@1") as address, asking(address, rows()) as asked, promoting(folder, "plant@1") as codes:
        run = command(folder, "run", "--budget", "3s", "--reason", "under load")
        for number in range(BACKUPS):
            wait_for_more(asked)
            acknowledged.append(set(asked.ids))
            taken = flyball("backup", tmp_path / f"{number}.tar", folder=folder).answer()
            assert taken["predictions"] >= len(acknowledged[-1])
        out, err = run.communicate(timeout=240)
        assert run.returncode == 0, (out, err)
    assert (asked.failures, codes) == ([], [0])
    assert asked.slowest_s < 20  # the machine may be busy; a backup does not add to it
    for number, ids in enumerate(acknowledged):
        new = tmp_path / f"restored-{number}"
        restored = flyball("restore", tmp_path / f"{number}.tar", "--dir", new).answer()
        assert flyball("audit", "verify", folder=new).answer()["ok"]
        (model,) = flyball("status", folder=new).answer()["models"]
        assert restored["versions"] == model["versions"]
        project = fb.open(new)
        for version in project.versions():
            assert len(version.predict(standing("binary").table.head(3))) == 3
        with project.log() as log:
            assert set(log.find(ids)) == ids
        project.close()
    assert flyball("audit", "verify", folder=folder).answer()["ok"]
    told = flyball("audit", "log", "--what", "backup.taken", folder=folder).answer()["entries"]
    assert len(told) == BACKUPS


def wait_for_more(asked: Asked) -> None:
    import time

    before = len(asked.ids)
    deadline = time.monotonic() + 60
    while len(asked.ids) < before + 5 and not asked.failures:
        assert time.monotonic() < deadline, "the server does not answer"
        time.sleep(0.02)
