"""What one model's evidence says is never taken for another's; what a gate says now is what a run answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import flyball as fb
from flyball.governance import GateRefused
from flyball.pipeline.examine import TimeUnordered
from support.command_line import flyball
from support.projects import TARGET, standing


@pytest.fixture
def project(tmp_path: Path) -> fb.Project:
    return fb.open(standing("binary").copy(tmp_path / "p"))


def test_two_models_on_the_same_data_each_name_themselves(tmp_path: Path) -> None:
    made = standing("binary")
    folder = made.copy(tmp_path / "p")
    file = folder / "flyball.toml"
    text = file.read_text(encoding="utf-8")
    model = text[text.index("[model.plant]") : text.index("[gate.production]")]
    twin = model.replace("[model.plant]", "[model.twin]").replace('data = "plant"', 'data = "again"')
    file.write_text(f'{text}\n[data.again]\nsource = "{made.source}"\n\n{twin}', encoding="utf-8")
    for name, dataset in (("plant", "plant"), ("twin", "again")):
        run = flyball("run", name, "--budget", "1s", folder=folder).answer()
        assert (run["model"], "train" in run["reused"]) == (name, True)
        bundle = Path(run["bundle"])
        manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
        assert (manifest["model"], manifest["provenance"]["data"]["dataset"]) == (name, dataset)
        bill = json.loads((bundle / "sbom.cdx.json").read_text(encoding="utf-8"))["metadata"]["component"]
        assert bill["name"] == name
        assert bill["modelCard"]["modelParameters"]["datasets"][0]["name"] == dataset
        card = bundle / "card.md"
        title = card.read_text(encoding="utf-8")
        assert f"# {name}" in title
        assert ("plant" if name == "twin" else "twin") not in title


def test_evidence_tells_the_budget_that_the_model_was_given(project: fb.Project) -> None:
    """Too little time for any model: both budgets give the very same prior."""
    table = project.dataset(standing("binary").table, target=TARGET)
    budgets = [project.learn(table, budget=budget).evidence["budget"]["seconds"] for budget in (0.01, 0.02)]
    assert budgets == [0.01, 0.02]


def test_a_model_of_many_classes_shows_whether_its_named_class_keeps_its_word() -> None:
    made = standing("multiclass")
    evidence = fb.open(made.folder).version("plant@1").evidence
    bins = evidence["calibration"]["bins"]
    assert sum(one["rows"] for one in bins) == evidence["split"]["test_rows"]
    right = sum(one["observed"] * one["rows"] for one in bins) / evidence["split"]["test_rows"]
    assert right == pytest.approx(evidence["metrics"]["test"]["accuracy"]["value"])
    assert "of the class that was named" in Path(made.run["report"]).read_text(encoding="utf-8")


def test_a_candidate_gate_that_refuses_now_refuses_the_version_that_stands(tmp_path: Path) -> None:
    folder = standing("binary").copy(tmp_path / "p")
    file = folder / "flyball.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('roc_auc = ">= 0.5"', 'roc_auc = "> 0.9999"'), encoding="utf-8")
    again = flyball("run", "--budget", "1s", folder=folder).answer(code=1)
    assert (again["registered"], again["version"], again["unchanged"]) == (False, 1, True)
    (verdict,) = [gate for gate in again["gates"] if gate["gate"] == "candidate"]
    assert not verdict["passed"]


def test_proposing_what_stands_already_is_refused_by_a_gate_that_refuses_now(tmp_path: Path) -> None:
    folder = standing("binary").copy(tmp_path / "p")
    made = fb.open(folder)
    table = made.dataset(standing("binary").table, target=TARGET)
    version = made.propose(made.learn(table, budget=0.01, name="plain"))
    made.close()
    file = folder / "flyball.toml"
    text = file.read_text(encoding="utf-8").replace('roc_auc = ">= 0.5"', 'roc_auc = "> 0.9999"')
    file.write_text(text, encoding="utf-8")
    stricter = fb.open(folder)
    with pytest.raises(GateRefused, match="candidate"):
        stricter.propose(stricter.learn(table, budget=0.01, name="plain"))
    assert [known.number for known in stricter.registry.versions("plain")] == [version.number]


def test_a_time_written_as_text_is_refused_before_it_is_sorted_by_its_letters(project: fb.Project) -> None:
    rows = 60
    day = [f"{1 + row % 28}. {['Jan', 'Feb', 'Mar'][row // 20]} 2024" for row in range(rows)]
    table = pl.DataFrame({"day": day, "x": np.arange(rows) * 1.0, "y": np.tile([1.0, 2.0, 3.5], rows // 3)})
    with pytest.raises(TimeUnordered, match="day") as caught:
        project.learn(project.dataset(table, target="y", time="day"), budget=0.01)
    assert (caught.value.code, caught.value.exit_code) == ("FB-PIPE-006", 2)
    assert caught.value.fix
    numbered = table.with_columns(day=pl.Series(np.arange(rows)))
    split = project.learn(project.dataset(numbered, target="y", time="day"), budget=0.01).evidence["split"]
    assert (split["kind"], split["by"]) == ("time", "day")


def test_the_gap_to_a_random_split_is_as_uncertain_as_the_few_groups_make_it(project: fb.Project) -> None:
    """Twelve groups, of which two or three are tested: their rows say one thing each, many times over."""
    rng = np.random.default_rng(4)
    group = np.repeat(np.arange(12), 60)
    level = np.array([0.0, 9, 1, 7, 3, 12, -4, 5, -9, 2, 15, -2])[group]
    table = pl.DataFrame({
        "site": [f"site {name}" for name in group], "mark": group * 7 % 13 + rng.normal(0, 0.05, 720),
        "noise": rng.normal(size=720), "y": level + rng.normal(0, 0.2, 720),
    })  # fmt: skip
    evidence = project.learn(project.dataset(table, target="y", group="site"), metric="rmse", budget=0.01).evidence
    gap = evidence["random_gap"]
    assert evidence["split"]["unit"] == "group"
    width = None if gap["low"] is None or gap["high"] is None else gap["high"] - gap["low"]
    assert width is None or width > abs(gap["value"]) / 2


@pytest.mark.parametrize(("weight", "counted"), [(None, True), ("weight", False)])
def test_evidence_says_what_weighs_the_rows(project: fb.Project, weight: str | None, counted: bool) -> None:
    rng = np.random.default_rng(6)
    table = standing("binary").table.with_columns(weight=pl.Series(rng.random(240) + 0.1))
    evidence = project.learn(project.dataset(table, target=TARGET, weight=weight), budget=0.01).evidence
    assert (evidence["data"]["weight"] is None) is counted


def test_pictures_of_weighed_rows_show_what_the_figures_beside_them_say(project: fb.Project) -> None:
    rng = np.random.default_rng(6)
    table = standing("binary").table
    weights = np.where(rng.random(table.height) < 0.3, 25.0, 1.0)
    dataset = project.dataset(table.with_columns(weight=pl.Series(weights)), target=TARGET, weight="weight")
    evidence = project.learn(dataset, budget="1s").evidence
    test = {name: one["value"] for name, one in evidence["metrics"]["test"].items()}
    (spared, wrong), (missed, found) = evidence["confusion"]["weights"]
    assert found / (missed + found) == pytest.approx(test["recall"])
    assert (found + spared) / (found + spared + missed + wrong) == pytest.approx(test["accuracy"])
    assert sum(map(sum, evidence["confusion"]["counts"])) == evidence["split"]["test_rows"]
    bins = evidence["calibration"]["bins"]
    gap = sum(one["weight"] * abs(one["observed"] - one["predicted"]) for one in bins)
    assert gap == pytest.approx(test["calibration_error"])
    roc = np.array(evidence["curves"]["roc"])
    assert np.trapezoid(roc[:, 1], roc[:, 0]) == pytest.approx(test["roc_auc"], abs=1e-4)
