"""The Python API as a notebook uses it: open, dataset, learn, propose, promote, predict, explain, show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

import flyball as fb
from flyball_runtime import open_bundle
from support.command_line import flyball, tree
from support.projects import TARGET, Standing, standing
from support.tables import mixed_table, write

SITE = 'the "site", quoted'


@pytest.fixture(scope="module")
def made() -> Standing:
    return standing("binary")


@pytest.fixture(scope="module")
def project(made: Standing, tmp_path_factory: pytest.TempPathFactory) -> fb.Project:
    return fb.open(made.copy(tmp_path_factory.mktemp("api") / "p"))


@pytest.fixture(scope="module")
def learned(project: fb.Project, made: Standing) -> fb.LearnedModel:
    table = project.dataset(made.table, target=TARGET, name="notebook", protected=[SITE], personal=["ok?"])
    assert TARGET in repr(table)
    return project.learn(table, metric="average_precision", budget="4s")


def forms(table: pl.DataFrame, folder: Path) -> dict[str, Any]:
    """The same rows as each kind of table that people hold."""
    columns = {name: table[name].to_list() for name in table.columns}
    pandas_table = pd.DataFrame(columns)
    pandas_table["day of test"] = pd.to_datetime(pandas_table["day of test"])
    relation = duckdb.connect().read_parquet(str(write(table, folder / "rows.parquet")))
    return {"polars": table, "pandas": pandas_table, "dict": columns, "duckdb": relation}


def test_a_learned_model_carries_its_evidence_and_leaves_protected_columns_alone(learned: fb.LearnedModel) -> None:
    evidence = learned.evidence
    assert (evidence["task"], evidence["metric"], evidence["target"]) == ("binary", "average_precision", TARGET)
    assert SITE not in evidence["data"]["used"]
    assert {"column": SITE, "why": "dropped in the project file"} not in evidence["leaks"]
    assert "ok?" in evidence["data"]["personal"]
    assert learned.classes is not None
    assert learned.classes.tolist() == [0, 1]


@pytest.mark.parametrize("form", ["polars", "pandas", "dict", "duckdb"])
def test_every_kind_of_table_is_predicted_and_explained_alike(
    learned: fb.LearnedModel, made: Standing, form: str, tmp_path: Path
) -> None:
    rows = made.table.head(30)
    given = forms(rows, tmp_path)[form]
    probability = learned.predict_proba(rows)
    np.testing.assert_array_equal(learned.predict_proba(given), probability)
    assert learned.predict(given).tolist() == learned.predict(rows).tolist()
    explained = learned.explain(given)
    np.testing.assert_allclose(explained.base + explained.values.sum(axis=1), explained.margin, atol=1e-6)
    logits = np.log(probability[:, 1] / probability[:, 0])
    np.testing.assert_allclose(explained.margin[:, -1], logits, atol=1e-6)


@pytest.mark.parametrize("form", ["pandas", "dict", "duckdb"])
def test_every_kind_of_table_is_learned_from(project: fb.Project, form: str, tmp_path: Path) -> None:
    table = mixed_table(60)
    table = table.drop("signal").with_columns(y=table["signal"])
    model = project.learn(forms(table, tmp_path)[form], target="y", budget=0.3)
    assert model.evidence["task"] == "regression"
    assert model.evidence["data"]["rows"] == 60
    low, high = model.predict_interval(table)
    assert (low <= high).all()
    with pytest.raises(AttributeError, match="predict_interval"):
        model.predict_proba(table)


def test_proposing_registers_once_and_promoting_moves_the_alias(project: fb.Project, learned: fb.LearnedModel) -> None:
    version = project.propose(learned, reason="from a notebook")
    assert (version.ref, version.number) == ("plant@2", 2)
    assert project.propose(learned, reason="again").number == 2
    assert [known.number for known in project.versions()] == [1, 2]
    np.testing.assert_array_equal(version.predict_proba(mixed_table()), learned.predict_proba(mixed_table()))
    assert open_bundle(version.path, trust=project.trust_document()).authentic
    moved = version.promote("production", reason="tried")
    assert (moved.moved, project.version("plant@production").number) == (True, 2)
    assert not version.promote("production").moved
    with pytest.raises(fb.Refused) as refused:
        version.promote("strict")
    assert refused.value.code == "FB-GATE-003"
    assert "measured" in str(refused.value)
    assert "passes at" in str(refused.value)
    assert flyball("audit", "verify", folder=project.path).answer()["ok"]


def test_a_notebook_shows_reports_and_reasons(learned: fb.LearnedModel, project: fb.Project, made: Standing) -> None:
    version = project.version("plant@1")
    explained = version.explain(made.table.head(3))
    for shown in (learned, version, learned.report, version.report, explained):
        html = shown._repr_html_()
        assert "<" in html
        assert "<script" not in html
        assert repr(shown)
    assert "average_precision" in repr(learned)
    assert "average_precision" in str(learned.report)


def test_a_report_is_saved_as_one_page_that_fetches_nothing(learned: fb.LearnedModel, tmp_path: Path) -> None:
    learned.report.save(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    for fetching in ("<script", 'src="http', "<link", "@import", "url(http"):
        assert fetching not in page


def test_errors_are_coded_and_change_nothing(project: fb.Project, made: Standing, tmp_path: Path) -> None:
    before = tree(project.bundles)
    wrong: list[tuple[str, Any]] = [
        ("FB-TARGET-001", lambda: project.learn(made.table, target="failed", budget=4)),
        ("FB-PROJECT-005", lambda: project.learn(made.table, budget=4)),
        ("FB-CONFIG-005", lambda: project.learn(made.table, target=TARGET, budget="soon")),
        ("FB-METRIC-001", lambda: project.learn(made.table, target=TARGET, metric="rmse", budget=4)),
        ("FB-PIPE-002", lambda: project.learn(project.dataset(made.table, target=TARGET, drop=["nix"]), budget=4)),
        ("FB-PIPE-002", lambda: project.learn(project.dataset(made.table, target=TARGET, group="nix"), budget=4)),
        ("FB-PIPE-004", lambda: project.learn(project.dataset(made.table, target=TARGET, group=TARGET), budget=4)),
        ("FB-TARGET-004", lambda: project.learn(made.table.head(9), target=TARGET, budget=4)),
        ("FB-DATA-001", lambda: project.learn("nothing.csv", target=TARGET, budget=4)),
        ("FB-REG-003", lambda: project.version("plant@99")),
        ("FB-REG-002", lambda: project.version("plants@1")),
        ("FB-TABLE-002", lambda: project.version("plant@1").predict(made.table.drop(SITE))),
        ("FB-PROJECT-001", lambda: fb.open(tmp_path)),
    ]
    for code, call in wrong:
        with pytest.raises(fb.BadInput) as error:
            call()
        assert error.value.code == code
        assert error.value.exit_code == 2
    assert tree(project.bundles) == before


def test_opening_from_a_folder_below_finds_the_project(
    project: fb.Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = project.path / "notebooks" / "deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert fb.open().path == project.path
    monkeypatch.chdir(tmp_path)
    with pytest.raises(fb.BadInput, match="there is no project here"):
        fb.open()
