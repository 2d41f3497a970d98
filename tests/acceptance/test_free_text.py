"""A table of nothing but texts and their label: learned, promoted, served, explained, and scored alike everywhere."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from flyball_runtime import open_bundle
from support.command_line import flyball
from support.load import serving
from support.prose import reviews


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("prose")
    values, good = reviews(900, seed=21)
    values[5] = None
    pl.DataFrame({"review": values.tolist(), "good": ["yes" if one else "no" for one in good]}).write_csv(
        folder / "reviews.csv"
    )
    flyball("init", "mood", "--from", folder / "reviews.csv", "--target", "good", folder=folder / "plant").answer()
    run = flyball("run", "--budget", "12s", folder=folder / "plant").answer()
    flyball("promote", "mood@1", "production", "--reason", "reads well", folder=folder / "plant").answer()
    return run | {"plant": folder / "plant"}


def test_texts_alone_make_a_model_that_passes_its_gate(made: dict[str, Any]) -> None:
    assert made["metrics"]["test"]["roc_auc"]["value"] > 0.85
    bundle = open_bundle(made["bundle"])
    (column,) = bundle.manifest["inputs"]
    assert column["logical"] in ("words", "words and pieces")
    assert sum(path.stat().st_size for path in Path(made["bundle"]).iterdir()) < 10_000_000
    assert bundle.check_golden() == 0


def test_one_row_is_answered_alike_by_the_server_and_the_bundle(made: dict[str, Any]) -> None:
    rows = [
        {"review": "The pump is EXCELLENT, quick and reliable!"}, {"review": "Awful: broken, late and useless"},
        {"review": None}, {"review": "東京 \t never seen 😀"}, {"review": "excellent " * 5_000},
    ]  # fmt: skip
    offline = open_bundle(made["bundle"]).score({"review": [row["review"] for row in rows]})
    with serving(made["plant"], "mood@production") as address:
        connection = http.client.HTTPConnection(address, timeout=60)
        answers = []
        for row in rows:
            connection.request("POST", "/predict", json.dumps({"rows": [row]}))
            answers += json.loads(connection.getresponse().read())["predictions"]
        connection.close()
    assert [one["prediction"] for one in answers][:2] == ["yes", "no"]
    served = np.array([[one["probability"][name] for name in ("no", "yes")] for one in answers])
    np.testing.assert_array_equal(served, offline["probability"])


def test_personal_prose_is_not_read_unless_it_is_kept(made: dict[str, Any], tmp_path: Path) -> None:
    source = made["plant"].parent / "reviews.csv"
    asked = ("init", "mood", "--from", source, "--target", "good", "--personal", "review")
    error = flyball(*asked, folder=tmp_path / "refused").error(2)
    assert error["code"] == "FB-PIPE-001"
    assert "personal text" in error["facts"]["review"]
    found = flyball(*asked, "--keep", "review", folder=tmp_path / "kept").answer()
    assert found["left_out"] == []


def test_an_explanation_names_the_words_that_speak(made: dict[str, Any]) -> None:
    told = flyball("explain", "mood@1", "--row", "0", folder=made["plant"]).answer()
    (reason,) = told["reasons"]
    assert reason["column"] == "review"
    assert 1 <= len(reason["words"]) <= 5
    assert all(one["term"].lstrip("~<").rstrip(">").split()[0] in reason["value"].lower() for one in reason["words"])
