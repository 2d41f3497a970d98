"""Slices, champion and threshold in a project: in the evidence, in the gate, on the command line, over HTTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest

import flyball as fb
from flyball.api import control_app
from flyball.pipeline.comparing import Rival
from flyball_runtime import open_bundle
from support.command_line import Ended, flyball
from support.projects import make_project
from support.tables import write

COSTS = "costs = { false_positive = 1, false_negative = 12 }"
SECRETS = ["Zaphodia", "Quuxbert"]


def press_table(rows: int = 1500, *, seed: int = 1) -> pl.DataFrame:
    """`stops` follows load and speed, but at site C the other way round; who operates it says nothing."""
    rng = np.random.default_rng(seed)
    load, speed, site = rng.normal(size=rows), rng.normal(size=rows), rng.choice(list("ABCDEFGH"), rows)
    stops = 2 * load + speed + rng.normal(size=rows) > 0.8
    return pl.DataFrame(
        {"load": load.round(4), "speed": speed.round(4), "site": site, "who": rng.choice(SECRETS, rows),
         "stops": np.where(site == "C", ~stops, stops).astype(int)}
    )  # fmt: skip


class Presses:
    """A project whose model may not use the site; version 1 holds production, version 2 has another seed."""

    def __init__(self, root: Path) -> None:
        self.table = write(press_table(), root / "t.csv")
        self.folder, _ = make_project(root / "p", self.table, "stops")
        self.edit(
            "[model.plant]", f'personal = ["who"]\n[model.plant]\ndrop = ["site"]\nslices = ["site", "who"]\n{COSTS}'
        )
        self.edit("beats_baseline = true", 'no_worse_than = { alias = "production", margin = 0.02 }')
        self.first = self.run()
        self.call("promote", "plant@1", "production", "--reason", "first").answer()
        self.edit("[model.plant]", "[model.plant]\nseed = 5")
        self.second = self.run()

    def edit(self, old: str, new: str) -> None:
        file = self.folder / "flyball.toml"
        file.write_text(file.read_text("utf-8").replace(old, new), "utf-8")

    def run(self) -> dict[str, Any]:
        return self.call("run", "--budget", "1s").answer()

    def call(self, *words: object) -> Ended:
        return flyball(*words, folder=self.folder)


@pytest.fixture(scope="module")
def presses(tmp_path_factory: pytest.TempPathFactory) -> Presses:
    return Presses(tmp_path_factory.mktemp("presses"))


def test_a_column_that_the_model_never_saw_shows_where_it_is_weak(presses: Presses) -> None:
    slices = presses.first["slices"]
    assert (slices["status"], slices["found"][0]["text"]) == ("found", 'site is "C"')
    assert slices["found"][0]["metric"]["value"] < 0.4 < slices["overall"]["value"]
    (named,) = slices["named"]
    assert [level["text"] for level in named["levels"]] == [f'site is "{name}"' for name in "ABCDEFGH"]
    assert sum(level["rows"] for level in named["levels"]) == slices["searched"]["rows"] == 300


def test_personal_columns_are_not_sliced_by_and_that_is_said(presses: Presses) -> None:
    slices = presses.first["slices"]
    assert slices["skipped"]["personal"] == ["who"]
    assert "who" not in slices["searched"]["columns"]
    refused = presses.call("slices", "plant@1", "--by", "who").error(2)
    assert refused["code"] == "FB-COMPARE-003"
    shown = json.dumps(presses.first) + Path(presses.first["report"]).read_text("utf-8")
    assert not [secret for secret in SECRETS if secret in shown]


def test_the_threshold_by_cost_is_in_graph_manifest_and_evidence(presses: Presses) -> None:
    decision = presses.first["decision"]
    bundle = Path(presses.first["bundle"])
    manifest = json.loads((bundle / "manifest.json").read_text("utf-8"))
    assert decision["threshold"] == manifest["threshold"] < 0.5
    scored = open_bundle(bundle).score(press_table(200, seed=9).drop("stops"))
    assert np.array_equal(scored["prediction"] == 1, scored["probability"][:, 1] >= decision["threshold"])
    assert decision["cost"]["chosen"]["value"] <= decision["cost"]["never"]["value"]
    assert decision["chosen_on"]["what"] == "out-of-fold probabilities"


def test_the_threshold_does_not_follow_the_test_rows(tmp_path: Path) -> None:
    """The labels of the test rows are turned round: the threshold stays, the cost does not."""
    table = press_table(600).drop("site", "who")
    thresholds, costs = [], []
    for turned in (False, True):
        labels = table["stops"].to_numpy().copy()
        if turned:
            labels[-120:] = 1 - labels[-120:]  # the last fifth, which a split by time tests on
        source = write(table.with_columns(stops=pl.Series(labels)), tmp_path / f"{turned}.csv")
        project = fb.open(make_project(tmp_path / f"p{turned}", source, "stops")[0])
        project.config.model["plant"]  # the project file is as `init` wrote it
        settings = project.folder if hasattr(project, "folder") else project.path
        file = settings / "flyball.toml"
        file.write_text(
            file.read_text("utf-8").replace("[model.plant]", f'[model.plant]\nsplit = "time"\nbudget = "0s"\n{COSTS}', 1)
            .replace('\nbudget = "60s"', ""), "utf-8",
        )  # fmt: skip
        project.close()
        answer = flyball("run", folder=settings).answer()
        thresholds.append(answer["decision"]["threshold"])
        costs.append(answer["decision"]["cost"]["chosen"]["value"])
    assert thresholds[0] == thresholds[1]
    assert costs[0] != costs[1]


def test_costs_of_more_than_two_classes_are_refused_before_any_time_is_spent(tmp_path: Path) -> None:
    table = press_table(300).with_columns(stops=pl.col("site"))
    folder, _ = make_project(tmp_path / "p", write(table.drop("site"), tmp_path / "t.csv"), "stops")
    file = folder / "flyball.toml"
    file.write_text(file.read_text("utf-8").replace("[model.plant]", f"[model.plant]\n{COSTS}"), "utf-8")
    refused = flyball("run", "--budget", "1s", folder=folder)
    assert refused.error(2)["code"] == "FB-PIPE-020"
    assert flyball("status", folder=folder).answer()["models"] == []


def test_slices_of_a_column_that_is_not_there_are_refused_with_a_near_miss(tmp_path: Path, presses: Presses) -> None:
    folder, _ = make_project(tmp_path / "p", presses.table, "stops")
    file = folder / "flyball.toml"
    file.write_text(file.read_text("utf-8").replace("[model.plant]", '[model.plant]\nslices = ["sites"]'), "utf-8")
    refused = flyball("run", "--budget", "1s", folder=folder).error(2)
    assert (refused["code"], refused["why"]) == ("FB-PIPE-002", 'did you mean "site" or "stops"?')
    assert presses.call("slices", "plant@1", "--by", "sites").error(2)["code"] == "FB-PIPE-002"


def test_the_champion_is_scored_on_the_rows_that_it_did_not_learn_from(presses: Presses) -> None:
    assert presses.first["comparisons"]["champion"] is None
    assert presses.first["comparisons"]["baseline"]["metrics"]["roc_auc"]["outcome"] == "better"
    champion = presses.second["comparisons"]["champion"]
    assert (champion["with"], champion["alias"], champion["comparable"], champion["fair"]) == (
        "plant@1", "production", True, True,
    )  # fmt: skip
    assert 50 <= champion["rows"] < 300
    assert champion["rows"] + champion["rows_seen"] == 300
    assert "left out" in champion["caution"]


def test_a_run_again_is_the_same_version_whoever_the_champion_is(presses: Presses) -> None:
    again = presses.run()
    assert (again["version"], again["unchanged"]) == (2, True)
    presses.call("promote", "plant@2", "staging", "--reason", "changes no model").answer()
    assert presses.run()["unchanged"]
    assert presses.call("audit", "verify").answer()["ok"]


def test_the_gate_goes_by_the_paired_difference_with_its_margin(presses: Presses) -> None:
    (gate,) = presses.second["gates"]
    (rule,) = gate["results"]
    assert rule["rule"] == "no worse than production by more than 0.02"
    assert "paired on" in rule["measured"]
    gap = presses.second["comparisons"]["champion"]["metrics"]["roc_auc"]["difference"]
    assert rule["passes"] is (gap["low"] >= -0.02)
    ended = presses.call("promote", "plant@2", "production", "--reason", "try")
    assert ended.code == (0 if rule["passes"] else 1)
    assert "paired on" in ended.out


def test_two_versions_are_compared_on_request_both_ways_and_on_a_file(presses: Presses, tmp_path: Path) -> None:
    forth = presses.call("compare", "plant@2", "plant@1").answer()
    assert forth["metrics"] == presses.second["comparisons"]["champion"]["metrics"]
    back = presses.call("compare", "plant@1", "plant@2").answer()
    assert back["fair"]
    fresh = write(press_table(400, seed=77), tmp_path / "fresh.csv")
    on_file = presses.call("compare", "plant@2", "plant@1", "--data", fresh).answer()
    assert (on_file["rows"], on_file["rows_seen"], on_file["fair"], on_file["caution"]) == (400, 0, True, None)
    known = presses.call("compare", "plant@2", "plant@1", "--data", presses.table).answer()
    assert known["rows"] == forth["rows"], "only the rows that neither learned from are left of the training file"
    itself = presses.call("compare", "plant@2", "plant@2").answer()
    assert {one["outcome"] for one in itself["metrics"].values()} == {"no clear difference"}
    refused = presses.call(
        "compare", "plant@2", "plant@1", "--data", write(press_table(50).drop("stops"), tmp_path / "u.csv")
    )
    assert refused.error(2)["code"] == "FB-COMPARE-002"


def test_a_version_from_before_rows_were_kept_is_compared_with_a_caution(
    presses: Presses, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = fb.open(presses.folder)
    kept = Rival.rows
    monkeypatch.setattr(Rival, "rows", lambda self: None if self.version.number == 1 else kept(self))
    found = project.version("plant@2").compare("plant@1")
    assert (found["comparable"], found["fair"]) == (True, False)
    assert "not known" in found["caution"]
    assert found["text"].startswith("not a fair comparison: ")
    with pytest.raises(fb.BadInput, match="cannot be had"):
        project.version("plant@1").compare("plant@2")
    project.close()


def test_versions_that_answer_other_questions_are_not_compared_and_say_why(presses: Presses, tmp_path: Path) -> None:
    project = fb.open(presses.folder)
    table = press_table(300)
    other = project.propose(project.learn(table.drop("speed"), target="load", name="loads", budget="0s"))
    assert (
        "binary model" in project.version("plant@2").compare(other)["reason"]
        or "regression" in other.compare("plant@2")["reason"]
    )
    fewer = project.propose(project.learn(table.drop("speed", "who"), target="stops", name="fewer", budget="0s"))
    found = fewer.compare("plant@2")
    assert (found["comparable"], found["reason"]) == (
        False,
        'plant@2 needs the column "speed", which these rows do not have',
    )
    project.close()


def test_the_report_and_the_card_show_all_three(presses: Presses) -> None:
    page = Path(presses.second["report"]).read_text("utf-8")
    for part in ("Where it is weak", "Against others", "Deciding", "What each threshold costs"):
        assert part in page
    card = (Path(presses.second["bundle"]) / "card.md").read_text("utf-8")
    assert "## Where it is weak" in card
    assert "plant@1" in card
    assert "probability of" in card


def test_the_http_interface_answers_slices_and_comparisons(presses: Presses) -> None:
    project = fb.open(presses.folder)
    app = control_app(project.view())

    async def ask(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(f"/api/v1/models/plant/versions/{path}")

    by_site = asyncio.run(ask("2/slices?by=site")).json()
    assert len(by_site["by"]["levels"]) == 8
    assert asyncio.run(ask("1/slices")).json()["slices"] == project.version("plant@1").slices()["slices"]
    assert asyncio.run(ask("2/compare/1")).json()["with"] == "plant@1"
    assert asyncio.run(ask("2/compare/9")).status_code == 404
    assert asyncio.run(ask("2/slices?by=who")).status_code == 404
    project.close()


def test_python_takes_costs_and_slices_too(presses: Presses) -> None:
    project = fb.open(presses.folder)
    learned = project.learn(
        project.dataset(press_table(400), target="stops", name="other", personal=["who"]), name="other", budget="0s",
        costs={"false_positive": 1, "false_negative": 4}, slices=["site"],
    )  # fmt: skip
    assert learned.evidence["decision"]["threshold"] == pytest.approx(0.2)
    assert learned.evidence["slices"]["named"][0]["column"] == "site"
    project.close()
