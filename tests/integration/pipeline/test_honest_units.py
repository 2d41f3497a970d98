"""Copies of a row, and rows of one group, are no independent evidence: the split and the intervals know it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from support.command_line import flyball


def written(path: Path, columns: dict[str, np.ndarray]) -> Path:
    lines = [",".join(columns)] + [",".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def made(folder: Path, table: Path, **environment: str) -> dict[str, object]:
    flyball("init", "m", "--from", str(table), "--target", "y", folder=folder).answer(0)
    return flyball("run", "--budget", "2s", folder=folder).answer(0)


def test_rows_that_stand_three_times_do_not_flatter_the_model(tmp_path: Path) -> None:
    """900 noisy rows, each three times: learned by heart they score 1.0, honestly 0.7 or so."""
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=900).round(4), rng.normal(size=900).round(4)
    y = (a + 1.6 * rng.normal(size=900) > 0).astype(int)
    order = rng.permutation(np.repeat(np.arange(900), 3))
    answer = made(tmp_path / "m", written(tmp_path / "t.csv", {"a": a[order], "b": b[order], "y": y[order]}))
    assert answer["metrics"]["test"]["roc_auc"]["value"] < 0.85  # type: ignore[index]
    assert "copies" in answer["split"]["why"]  # type: ignore[index]


def test_intervals_of_grouped_rows_are_as_wide_as_the_groups_deserve(tmp_path: Path) -> None:
    """40 machines of 30 rows share one error each: the interval of the mean error is that of 8 test machines."""
    rng = np.random.default_rng(4)
    machine = np.repeat(np.arange(40), 30)
    age = np.tile(np.arange(30), 40)
    y = (3.0 * rng.normal(size=40)[machine] + 0.05 * age + 0.05 * rng.normal(size=1200)).round(4)
    columns = {"machine": machine, "age": age, "load": rng.normal(size=1200).round(3), "y": y}
    folder = tmp_path / "m"
    flyball("init", "m", "--from", str(written(tmp_path / "t.csv", columns)), "--target", "y", folder=folder).answer(0)
    file = folder / "flyball.toml"
    file.write_text(
        file.read_text("utf-8").replace("[model.m]", '[model.m]\nsplit = "group"\ngroup = "machine"'), "utf-8"
    )
    answer = flyball("run", "--budget", "2s", folder=folder).answer(0)
    assert answer["split"]["kind"] == "group"
    found = answer["metrics"]["test"]["rmse"]
    # 240 independent rows would give about ±8 %; 8 machines with one error each give several times that.
    assert (found["high"] - found["low"]) / found["value"] > 0.3
    promise = answer["conformal"]
    assert (promise["kind"], promise["unit"]) == ("interval", "group")
    assert promise["target"] == "rows of groups that the training did not hold"
    assert promise["coverage"] == answer["metrics"]["sampling"]["interval_coverage"]
    by = {one["by"]: one["parts"] for one in promise["by"]}
    assert set(by) == {"prediction", "group"}
    assert sum(part["rows"] for part in by["group"]) == 240
    assert {part["name"] for part in by["group"]} < {str(number) for number in range(40)}
    assert [part["value"] for part in by["group"]] == sorted(part["value"] for part in by["group"])
    assert all(part["low"] is None for part in by["group"])  # one machine says nothing of the next


def test_promises_over_time_are_shown_by_stretch_and_a_personal_target_keeps_its_ends(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    rows = 900
    wander = np.cumsum(rng.normal(0, 0.3, rows))
    pay = np.minimum(np.abs(wander + rng.normal(0, 0.3, rows)).round(4) + 31.5, 37.25)
    columns = {"hour": np.arange(rows), "load": rng.normal(size=rows).round(3), "y": pay}
    folder = tmp_path / "m"
    flyball("init", "m", "--from", str(written(tmp_path / "t.csv", columns)), "--target", "y", folder=folder).answer(0)
    file = folder / "flyball.toml"
    text = file.read_text("utf-8").replace("[model.m]", '[model.m]\nsplit = "time"\ntime = "hour"')
    file.write_text(text.replace("[data.m]", '[data.m]\npersonal = ["y"]'), "utf-8")
    promise = flyball("run", "--budget", "2s", folder=folder).answer(0)["conformal"]
    assert promise["target"] == "rows that come after the training's"
    assert promise["bounds"] is None
    (stretches,) = [one["parts"] for one in promise["by"] if one["by"] == "time"]
    assert [part["name"] for part in stretches] == [f"stretch {number}" for number in range(1, 7)]
    assert sum(part["rows"] for part in stretches) == promise["rows"] == 180
