"""Cleaning removes what the project file lets go and nothing else, tells the ledger, and leaves no byte of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

import flyball as fb
from flyball.predictions import Prediction
from flyball.predictions.log import Told
from flyball.store.tables import steps
from support.command_line import flyball, tree
from support.load import asking, command, serving
from support.projects import TARGET, standing

STATE = ".flyball"
DAY = 86_400


def retention(folder: Path, **ages: str) -> None:
    lines = [f'{name} = "{age}"' for name, age in ages.items()]
    with (folder / "flyball.toml").open("a", encoding="utf-8") as file:
        file.write("\n[retention]\n" + "\n".join(lines) + "\n")


def predict(folder: Path, ages_in_days: Sequence[float], *, outcomes: bool = True) -> list[str]:
    """Predictions made so many days ago, each with a value that is found nowhere else."""
    now = datetime.now(UTC)
    made = [
        Prediction(
            f"pred_{number:06d}_{age:g}", now - timedelta(days=age), "plant", 1, None, "ab" * 32,
            {"secret": f"UNIQUE-VALUE-{number:06d}", "filler": "x" * 400}, {"prediction": 1},
        )
        for number, age in enumerate(ages_in_days)
    ]  # fmt: skip
    project = fb.open(folder)
    with project.log() as log:
        log.append(made)
        if outcomes:
            log.record([Told(one.id, f"OUTCOME-{one.id}") for one in made])
    project.close()
    return [one.id for one in made]


def age_of_everything(folder: Path, days: float) -> None:
    """Files and steps become older than they are."""
    then = time.time() - days * DAY
    for path in (folder / STATE).rglob("*"):
        os.utime(path, (then, then), follow_symlinks=False)
    project = fb.open(folder)
    with project.database.write("test") as tx:
        tx.execute(update(steps).values(created="2001-01-01T00:00:00.000000Z"))
    project.close()


def everything_in(folder: Path) -> bytes:
    return b"".join(data for data in tree(folder).values() if data)


def test_without_a_section_nothing_is_removed(folder: Path) -> None:
    predict(folder, [1000, 2000])
    age_of_everything(folder, 3000)
    before = tree(folder)
    answer = flyball("clean", folder=folder).answer()
    assert (answer["removed"], answer["freed_bytes"], answer["entries"]) == ({}, 0, [])
    after = tree(folder)
    assert after.keys() - {f"{STATE}/flyball.db.upkeep.lock"} == before.keys()
    assert flyball("status", folder=folder).answer()["predictions"] == 2


def test_removed_predictions_leave_an_entry_and_no_byte(folder: Path) -> None:
    old, young = predict(folder, [200, 120.5, 91] * 400), predict(folder, [89, 1, 0])
    retention(folder, predictions="90d")
    before = (folder / STATE / "flyball.db").stat().st_size
    dry = flyball("clean", "--dry-run", folder=folder).answer()
    assert dry["removed"]["predictions"]["count"] == len(old)
    assert flyball("status", folder=folder).answer()["predictions"] == len(old) + len(young)

    answer = flyball("clean", folder=folder).answer()
    part = answer["removed"]["predictions"]
    assert {name: part[name] for name in part if name != "bytes"} == {
        name: value for name, value in dry["removed"]["predictions"].items() if name != "bytes"
    }
    assert (part["count"], part["outcomes"]) == (len(old), len(old))
    project = fb.open(folder)
    with project.log() as log:
        assert log.find([*old, *young]).keys() == set(young)
    (entry,) = project.ledger.entries(what="predictions.removed")
    told = project.ledger.payload(entry.seq)
    project.close()
    assert (entry.subject, told["count"], told["first"], told["last"]) == (
        "plant",
        len(old),
        part["first"],
        part["last"],
    )
    assert "flyball.toml:" in entry.why
    assert answer["entries"] == [entry.seq]
    left = everything_in(folder)
    for number in range(len(old)):
        assert f"UNIQUE-VALUE-{number:06d}".encode() not in left or number < len(young)
    assert not any(one.encode() in left for one in old)
    assert (folder / STATE / "flyball.db").stat().st_size < before / 2
    assert answer["freed_bytes"] > before / 2
    assert flyball("audit", "verify", folder=folder).answer()["ok"]
    assert flyball("clean", folder=folder).answer()["removed"]["predictions"]["count"] == 0


def test_a_server_goes_on_answering_while_predictions_are_removed(folder: Path) -> None:
    old = predict(folder, [100] * 12_000, outcomes=False)
    retention(folder, predictions="90d")
    rows = json.loads(standing("binary").table.drop(TARGET).head(5).write_json())
    with serving(folder, "plant@1") as address, asking(address, rows) as asked:
        while len(asked.ids) < 5 and not asked.failures:
            time.sleep(0.01)
        answer = flyball("clean", folder=folder).answer()
        while len(asked.ids) < 10 and not asked.failures:
            time.sleep(0.01)
    assert asked.failures == []
    assert answer["removed"]["predictions"]["count"] == len(old)
    assert len(answer["entries"]) == 2
    project = fb.open(folder)
    with project.log() as log:
        assert log.totals()["predictions"] == len(asked.ids)
    project.close()
    left = everything_in(folder)
    assert b"UNIQUE-VALUE" not in left
    assert flyball("audit", "verify", folder=folder).answer()["ok"]


def test_steps_and_what_nothing_names_go_and_everything_governed_stays(folder: Path) -> None:
    orphan = fb.open(folder)
    digest = orphan.artifacts.put(b"nothing names this")
    young = orphan.artifacts.put(b"nor this, yet")
    orphan.close()
    report = folder / STATE / "reports" / "plant-1.html"
    copy = folder / STATE / "flyball.db.backup-0001_spine-20200101T000000Z"
    copy.write_bytes(b"an old store")
    age_of_everything(folder, 40)
    os.utime(folder / STATE / "artifacts" / young[:2] / young)
    retention(folder, steps="30d", artifacts="30d", reports="30d", upgrade_copies="30d")
    before = tree(folder)
    dry = flyball("clean", "--dry-run", folder=folder).answer()
    same = {name: data for name, data in tree(folder).items() if not name.startswith(f"{STATE}/flyball.db")}
    assert same == {name: data for name, data in before.items() if not name.startswith(f"{STATE}/flyball.db")}

    answer = flyball("clean", folder=folder).answer()
    removed = answer["removed"]
    assert {kind: part["count"] for kind, part in removed.items()} == {
        kind: part["count"] for kind, part in dry["removed"].items()
    }
    assert removed["steps"]["count"] == 4
    assert removed["reports"]["count"] == removed["upgrade_copies"]["count"] == 1
    assert not report.exists()
    assert not copy.exists()
    blobs = {path.name for path in (folder / STATE / "artifacts").glob("??/*")}
    assert digest not in blobs
    assert young in blobs
    assert flyball("audit", "verify", folder=folder).answer()["ok"]
    project = fb.open(folder)
    version = project.version("plant")
    assert len(version.predict(standing("binary").table.head(3))) == 3
    assert version.explain(standing("binary").table.head(1)) is not None
    assert version.report.html
    project.close()
    again = flyball("run", "--budget", "1s", folder=folder).answer()
    assert again["reused"] == []
    assert flyball("audit", "verify", folder=folder).answer()["ok"]


def test_while_a_run_is_under_way_its_steps_and_artifacts_stay(folder: Path) -> None:
    age_of_everything(folder, 40)
    retention(folder, steps="30d", artifacts="30d", predictions="30d")
    old = predict(folder, [50])
    project = fb.open(folder)
    run = project.registry.start_run("loop", {}, project.actor)
    answer = flyball("clean", folder=folder).answer()
    assert answer["removed"]["steps"]["count"] == answer["removed"]["artifacts"]["count"] == 0
    assert answer["removed"]["predictions"]["count"] == len(old)
    assert any("run is under way" in note for note in answer["notes"])
    project.registry.finish_run(run, "done")
    project.close()
    assert flyball("clean", folder=folder).answer()["removed"]["steps"]["count"] == 4


def test_a_backup_keeps_cleaning_away_and_the_other_way_round(folder: Path) -> None:
    from flyball.upkeep.staging import UpkeepBusy, upkeep_lock

    retention(folder, artifacts="1d")
    lock = folder / STATE / "flyball.db.upkeep.lock"
    with (
        upkeep_lock(lock, shared=True),
        upkeep_lock(lock, shared=True),  # backups do not wait for one another
        pytest.raises(UpkeepBusy),
        upkeep_lock(lock, shared=False, patience_s=0.1),
    ):
        pass
    for shared, words in ((True, ("clean",)), (False, ("backup", str(folder.parent / "b.tar")))):
        with upkeep_lock(lock, shared=shared):
            process = command(folder, *words)
            time.sleep(4)
            assert process.poll() is None  # it waits, half a minute at most
        process.communicate(timeout=60)
        assert process.returncode == 0


def test_ages_are_checked_like_every_other_setting(folder: Path) -> None:
    text = (folder / "flyball.toml").read_text("utf-8")
    for line, code in (
        ('predictions = "soon"', "FB-CONFIG-004"), ('predictions = "2h"', "FB-CONFIG-004"),
        ('prediction = "90d"', "FB-CONFIG-003"), ("steps = true", "FB-CONFIG-004"),
    ):  # fmt: skip
        (folder / "flyball.toml").write_text(f"{text}\n[retention]\n{line}\n", "utf-8")
        error = flyball("clean", folder=folder).error(2)
        assert error["code"] == code
        assert "retention" in error["where"]
