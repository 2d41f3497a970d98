"""What `diff` says of two versions, and of tracked runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import flyball as fb
from flyball.ledger import Actor
from flyball.project.differences import TooFewRuns
from flyball.server import open_for_server
from flyball.tracking import DatasetInput, Metric, TrackingUnknown
from support.command_line import flyball
from support.projects import standing
from support.tables import write


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a second version: a column less, rows more, another budget, the same code."""
    first = standing("binary")
    folder = first.copy(tmp_path_factory.mktemp("changed") / "p")
    table = pl.concat([first.table, first.table.head(40)]).drop("ok?")
    source = write(table, folder.parent / "more.csv")
    file = folder / "flyball.toml"
    file.write_text(file.read_text("utf-8").replace(str(first.source), str(source)), encoding="utf-8")
    flyball("run", "--budget", "3 trials", "--reason", "more rows", folder=folder).answer()
    return folder


def test_a_difference_of_versions_has_every_part_that_changed(changed: Path) -> None:
    found = flyball("diff", "plant@1", "plant@2", folder=changed).answer()
    assert (found["before"]["ref"], found["after"]["ref"], found["after"]["reason"]) == (
        "plant@1",
        "plant@2",
        "more rows",
    )
    data = found["data"]
    assert (data["rows"], data["columns"]["ok?"][1]) == ([240, 280], None)
    assert data["version"][0] != data["version"][1]
    assert found["features"] == {"removed": ["ok?"]}
    assert found["settings"]["budget"][1]["trials"] == 3
    metrics = {row["metric"]: row for row in found["metrics"]}
    auc = metrics["roc_auc"]
    assert auc["change"] == pytest.approx(auc["values"][1]["value"] - auc["values"][0]["value"])
    gone = next(row for row in found["explanations"] if row["column"] == "ok?")
    assert (gone["shares"][1], gone["ranks"][1]) == (None, None)
    assert sum(row["shares"][1] or 0 for row in found["explanations"]) == pytest.approx(1)
    assert {verdict["gate"] for verdict in found["verdicts"]} >= {"candidate", "strict"}
    assert "code" in found["same"]
    assert found == fb.open(changed).diff("plant@1", "plant@2")


def test_what_versions_made_elsewhere_do_not_tell_is_not_the_same(tmp_path: Path) -> None:
    project, _ = open_for_server(tmp_path)
    for _ in range(2):
        project.registry.register_external(
            "outside",
            files={},
            evidence={"source": "s3://bucket/model"},
            run_id=None,
            actor=Actor.local(),
            reason="made elsewhere",
        )
    project.close()
    found = flyball("diff", "outside@1", "outside@2", folder=tmp_path).answer()
    assert set(found["unknown"]) == {"data", "features", "metrics", "explanations", "findings", "code"}
    assert set(found["same"]) == {"settings", "verdicts"}


def test_a_version_does_not_differ_from_itself_and_an_unknown_one_is_named(changed: Path) -> None:
    found = flyball("diff", "plant@1", "plant@1", folder=changed).answer()
    parts = {"data", "features", "settings", "metrics", "explanations", "verdicts", "findings", "code"}
    assert set(found["same"]) == parts
    assert not any(found[part] for part in parts)
    assert flyball("diff", "plant@1", "plant@9", folder=changed).error(2)["code"] == "FB-REG-003"
    assert flyball("diff", "plant@1", "plant@1", "plant@2", folder=changed).error(2)["code"] == "FB-CLI-001"


def test_people_read_it(changed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from flyball.cli import main

    assert main(["diff", "plant@1", "plant@2", "--dir", str(changed)]) == 0
    told = capsys.readouterr().out
    for text in ("plant@1 → plant@2", "240 → 280", "- ok?", "roc_auc", "what it goes by", "the same"):
        assert text in told
    assert "budget.trials: – → 3" in told
    assert not re.search(r"\{'|: (True|None)\b", told)


def test_runs_differ_in_what_is_not_the_same_in_all(tmp_path: Path) -> None:
    project, _ = open_for_server(tmp_path)
    ids = [f"{number:032x}" for number in range(3)]
    for place, run_id in enumerate(ids):
        project.tracking.runs.create(
            0, name=f"run {place}", run_id=run_id, tags={"kind": "tree", "mlflow.user": run_id}
        )
        points = [Metric("loss", 0.5 - place / 10, 1, 1), Metric("same", 1.0, 1, 1)]
        params: dict[str, Any] = {"depth": str(place), "seed": "7", **({"extra": "x"} if place == 2 else {})}
        project.tracking.runs.log(run_id, metrics=points, params=params)
        project.tracking.runs.log_inputs(run_id, [DatasetInput("table", f"d{place // 2}", "local", "{}")], [])
    found = project.diff_runs(ids)
    assert found["params"] == [
        {"key": "depth", "values": ["0", "1", "2"]},
        {"key": "extra", "values": [None, None, "x"]},
    ]
    assert found["metrics"] == [{"key": "loss", "values": [0.5, 0.4, 0.3], "least": 2, "most": 0}]
    assert found["inputs"] == [{"key": "table", "values": ["d0", "d0", "d1"]}]
    assert found["same"] == ["tags", "code"]
    assert [run["name"] for run in found["runs"]] == ["run 0", "run 1", "run 2"]
    for wanted in (ids[:1], [ids[0], ids[0]], [], [f"{number:032x}" for number in range(101)]):
        with pytest.raises(TooFewRuns):
            project.diff_runs(wanted)
    with pytest.raises(TrackingUnknown):
        project.diff_runs([ids[0], "f" * 32])
    project.close()
    assert flyball("diff", *ids, folder=tmp_path).answer() == found
