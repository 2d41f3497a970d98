"""What a model learned from it also answers for, whatever hands the table over; what it cannot use is left out, and said."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import flyball as fb
from support.projects import standing


@pytest.fixture
def project(tmp_path: Path) -> fb.Project:
    return fb.open(standing("binary").copy(tmp_path / "p"))


def made(rows: int = 240) -> pl.DataFrame:
    """Minutes of the day and lengths of time that decide the answer, beside lists that nothing can be learned from."""
    rng = np.random.default_rng(1)
    minutes, length = rng.integers(0, 1440, rows), rng.integers(0, 900, rows)
    return pl.DataFrame(
        {
            "begun": [time(minute // 60, minute % 60) for minute in minutes],
            "lasted": [timedelta(seconds=int(seconds)) for seconds in length],
            "parts": [[1, 2]] * rows,
            "late": np.where(minutes + length + rng.normal(0, 100, rows) > 1200, "yes", "no"),
        }
    )


def as_pandas(table: pl.DataFrame) -> pd.DataFrame:
    """Times of day are objects there, as `read_parquet` gives them."""
    return pd.DataFrame({
        "begun": table["begun"].to_list(), "lasted": pd.to_timedelta(table["lasted"].to_list()),
        "parts": table["parts"].to_list(), "late": table["late"].to_list(),
    })  # fmt: skip


def test_times_of_day_and_durations_are_predicted_from_as_they_are_learned_from(project: fb.Project) -> None:
    table = made()
    kinds: dict[str, Any] = {"polars": table, "pandas": as_pandas(table), "rows": table.to_dicts()}
    learned = {}
    for name, given in kinds.items():
        learned[name] = model = project.learn(given, target="late", budget=0.01)
        notes = " ".join(model.evidence["data"]["notes"])
        assert model.evidence["data"]["used"] == ["begun", "lasted"], name
        assert '"begun" holds times of day or durations: read as seconds' in notes, name
        assert '"parts" is left out: its values are lists or objects' in notes, name
    digests = {model.evidence["data"]["version"] for model in learned.values()}
    assert len(digests) == 1
    expected = learned["polars"].predict_proba(table)
    for given in kinds.values():
        np.testing.assert_array_equal(learned["polars"].predict_proba(given), expected)


def test_a_parquet_file_and_the_frame_that_wrote_it_are_answered_alike(project: fb.Project, tmp_path: Path) -> None:
    table = made().drop("lasted")
    table.write_parquet(tmp_path / "t.parquet")
    model = project.learn(tmp_path / "t.parquet", target="late", budget=0.01)
    notes = " ".join(model.evidence["data"]["notes"])
    assert '"parts" is left out' in notes
    assert model.evidence["data"]["used"] == ["begun"]
    for given in (table, table.to_dicts(), tmp_path / "t.parquet"):
        np.testing.assert_array_equal(model.predict_proba(given), model.predict_proba(table))
