"""A table that changed after `init`, and tables to score and to explain: refused or handled, and the project stays whole."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from support.bad_tables import NUMBERS, lines, row
from support.command_line import flyball, tree
from support.projects import TARGET, Standing, make_project, standing
from support.tables import write

CHANGED: dict[str, tuple[bytes | None, str]] = {
    "gone": (None, "FB-DATA-001"),
    "empty": (b"", "FB-DATA-003"),
    "a header only": (b"a,b,y\n", "FB-DATA-003"),
    "junk": (b"\x80\x04\x95\0\1\2" * 99, "FB-DATA-004"),
    "without the target": (lines(header="a,b,z"), "FB-TARGET-001"),
    "with a target of one class": (lines(lambda i: f"{NUMBERS[i]},u,1"), "FB-TARGET-003"),
    "nine rows": (lines(rows=9), "FB-TARGET-004"),
    "without features": (lines(lambda i: f",,{i % 2}"), "FB-PIPE-001"),
    "twice the same name": (lines(header="a,a,y"), "FB-DATA-005"),
    "ragged": (lines(lambda i: row(i) + ",9"), "FB-DATA-006"),
}


def test_a_table_that_changed_after_init_is_refused_by_run_and_registers_nothing(tmp_path: Path) -> None:
    source = tmp_path / "t.csv"
    source.write_bytes(lines())
    folder, _ = make_project(tmp_path / "p", source, "y")
    before = flyball("status", folder=folder).answer()["models"]
    files = set(tree(tmp_path)) - {"t.csv"}
    for kind, (content, code) in CHANGED.items():
        source.unlink(missing_ok=True)
        if content is not None:
            source.write_bytes(content)
        error = flyball("run", "--budget", "0s", folder=folder).error(2)
        assert error["code"] == code, kind
        assert flyball("status", folder=folder).answer()["models"] == before
        assert {name for name in tree(tmp_path) if name.endswith((".tmp", ".html"))} == set()
    assert files <= set(tree(tmp_path))
    source.write_bytes(lines())
    assert flyball("run", "--budget", "0s", folder=folder).answer()["version"] == 1
    assert flyball("audit", "verify", folder=folder).answer()["ok"]


@pytest.fixture(scope="module")
def made() -> Standing:
    return standing("binary")


def odd(column: str, every: int, text: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """The table with a text in every so-manieth row of a column."""
    row_number = pl.int_range(pl.len())
    return lambda table: table.with_columns(
        pl.when(row_number % every == 0).then(pl.lit(text)).otherwise(pl.col(column).cast(pl.Utf8)).alias(column)
    )


SPEED, DAY, OK = "speed [rpm]", "day of test", "ok?"
# what is done to the table: (how, code, a part of what is said)
UNFIT: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str, str]] = {
    "a column is missing": (lambda table: table.drop(SPEED), "FB-TABLE-002", SPEED),
    "a column has another name": (lambda table: table.rename({SPEED: "speed [rmp]"}), "FB-TABLE-002", "speed [rmp]"),
    "texts among numbers": (odd(SPEED, 9, "abc"), "FB-TABLE-004", 'line 2 holds "abc"; line 11'),
    "texts for numbers": (odd(SPEED, 1, "abc"), "FB-TABLE-004", 'line 2 holds "abc"; line 3'),
    "texts for dates": (odd(DAY, 1, "soon"), "FB-TABLE-004", 'holds "soon"'),
    "texts among dates": (odd(DAY, 5, "soon"), "FB-TABLE-004", 'holds "soon"; line 7'),
    "words for booleans": (odd(OK, 1, "yes"), "FB-TABLE-004", 'holds "yes"'),
    "no rows": (lambda table: table.head(0), "FB-DATA-003", "no rows"),
}


@pytest.mark.parametrize("kind", UNFIT)
def test_a_table_that_does_not_suit_the_model_is_refused(kind: str, made: Standing, tmp_path: Path) -> None:
    change, code, told = UNFIT[kind]
    source = write(change(made.table.drop(TARGET)), tmp_path / "new.csv")
    for words in (
        ("predict", "plant@1", source, tmp_path / "out.csv"),
        ("explain", "plant@1", "--row", 0, "--source", source),
    ):
        error = flyball(*words, folder=made.folder).error(2)
        assert error["code"] == code
        assert told in " ".join(map(str, error.values()))
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(
    "kind", ["one odd cell", "another order", "more columns", "no values", "infinities", "one row"]
)
def test_what_the_model_can_still_score_is_scored_and_said(kind: str, made: Standing, tmp_path: Path) -> None:
    table = made.table.drop(TARGET)
    changed = {
        "one odd cell": odd(SPEED, 199, "abc")(table).with_columns(pl.col(DAY)),
        "another order": table.select(reversed(table.columns)),
        "more columns": table.with_columns(new=pl.lit(1)),
        "no values": table.with_columns(pl.lit(None).cast(pl.Float64).alias(SPEED)),
        "infinities": table.with_columns(pl.lit(float("inf")).alias(SPEED)),
        "one row": table.head(1),
    }[kind]
    source = write(changed, tmp_path / "new.csv")
    answer = flyball("predict", "plant@1", source, tmp_path / "out.csv", folder=made.folder).answer()
    assert answer["rows"] == changed.height
    if kind == "one odd cell":
        assert any('line 2 holds "abc"; line 201 holds "abc"' in note for note in answer["notes"])


@pytest.mark.parametrize("name", ["gone.csv", "empty.csv", "junk.csv", "sheet.xlsx", "pipe.csv", "."])
def test_what_is_no_table_cannot_be_scored(name: str, made: Standing, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "junk.csv").write_bytes(b"\0\1\2\3" * 50)
    (tmp_path / "sheet.xlsx").write_bytes(b"PK\x03\x04")
    os.mkfifo(tmp_path / "pipe.csv")
    before = sorted(tmp_path.iterdir())
    for words in (("predict", "plant@1", tmp_path / name, tmp_path / "out.csv"),
                  ("explain", "plant@1", "--row", 0, "--source", tmp_path / name)):  # fmt: skip
        assert flyball(*words, folder=made.folder).error(2)["code"].startswith("FB-DATA-")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "environment",
    [{"LANG": "C", "LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
     {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}],
)  # fmt: skip
def test_odd_locales_change_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(lines(header="größe · 寸,😀,y"))
    command = [sys.executable, "-m", "flyball", "init", "plant", "--from", "t.csv", "--dir", "p", "--target"]
    ascii_only = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG"))}
    run: dict[str, Any] = {"cwd": tmp_path, "env": ascii_only | environment, "capture_output": True}
    for json in ([], ["--json"]):
        wrong = subprocess.run([*command, "😁", *json], check=False, **run)
        assert (wrong.returncode, b"Traceback" in wrong.stderr + wrong.stdout) == (2, False)
        assert b"FB-TARGET-001" in wrong.stderr + wrong.stdout
    made = subprocess.run([*command, "y"], check=False, **run)
    assert (made.returncode, b"Traceback" in made.stderr) == (0, False)
    assert 'target = "y"' in (tmp_path / "p" / "flyball.toml").read_text(encoding="utf-8")
