"""Bad input is refused with a coded error and exit code 2; nothing is left behind, nothing is traced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from support.command_line import flyball, tree
from support.tables import mixed_table, write

RNG = np.random.default_rng(0)


def lines(row: Callable[[int], str], rows: int = 50, header: str = "a,y") -> bytes:
    return "\n".join([header, *map(row, range(rows)), ""]).encode()


def parquet(folder: Path) -> bytes:
    table = mixed_table(60)
    return write(table.drop("signal").with_columns(y=table["signal"] > 0), folder / "whole.parquet").read_bytes()


TEXT_FILES: dict[str, tuple[bytes, str]] = {
    "empty file": (b"", "FB-DATA-003"),
    "blank lines": (b"\n\n\n", "FB-DATA-003"),
    "header only": (b"a,b,y\n", "FB-DATA-003"),
    "binary junk": (RNG.bytes(5000), "FB-DATA-004"),
    "constant target": (lines(lambda i: f"{i * 7 % 13}.5,1"), "FB-TARGET-003"),
    "one-class target": (lines(lambda i: f"{i * 7 % 13}.5,{'yes' if i % 2 else ''}"), "FB-TARGET-003"),
    "target without values": (lines(lambda i: f"{i * 7 % 13}.5,"), "FB-TARGET-002"),
    "9 rows": (lines(lambda i: f"{i}.5,{i % 2}", 9), "FB-TARGET-004"),
    "9 rows with a target": (lines(lambda i: f"{i}.5,{i % 2 if i < 9 else ''}"), "FB-TARGET-004"),
    "target only": (lines(lambda i: str(i % 2), header="y"), "FB-PIPE-001"),
    "features without values": (lines(lambda i: f",{i % 2}"), "FB-PIPE-001"),
    "constant features": (lines(lambda i: f"5,{i % 2}"), "FB-PIPE-001"),
    "texts that only name rows": (lines(lambda i: f"{RNG.bytes(8).hex()}x,{i % 2}"), "FB-PIPE-001"),
    "duplicate column names": (lines(lambda i: f"{i},{i * 3 % 7},{i % 2}", header="a,a,y"), "FB-DATA-005"),
    "target that never repeats": (lines(lambda i: f"{i * 7 % 13}.5,n{i}x"), "FB-TARGET-005"),
    "target of dates": (lines(lambda i: f"{i * 7 % 13}.5,2020-01-{i % 28 + 1:02}"), "FB-TARGET-005"),
}


@pytest.mark.parametrize("kind", TEXT_FILES)
def test_a_table_that_cannot_be_learned_from_is_refused(kind: str, tmp_path: Path) -> None:
    content, code = TEXT_FILES[kind]
    (tmp_path / "t.csv").write_bytes(content)
    before = tree(tmp_path)
    error = flyball("init", "plant", "--from", tmp_path / "t.csv", "--target", "y", folder=tmp_path / "p").error(2)
    assert error["code"] == code
    assert tree(tmp_path) == before


def test_a_parquet_file_that_is_cut_short_or_none_at_all_is_refused(tmp_path: Path) -> None:
    whole = parquet(tmp_path)
    for content, code in ((whole[:-100], "FB-DATA-004"), (whole[:500], "FB-DATA-004"), (RNG.bytes(900), "FB-DATA-004"),
                          (b"", "FB-DATA-003")):  # fmt: skip
        (tmp_path / "t.parquet").write_bytes(content)
        before = tree(tmp_path)
        error = flyball("init", "p", "--from", tmp_path / "t.parquet", "--target", "y", folder=tmp_path / "p").error(2)
        assert error["code"] == code
        assert tree(tmp_path) == before


def test_a_source_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_bytes(lines(lambda i: f"{i},{i % 2}"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "sheet.xlsx").write_bytes(b"PK\x03\x04")
    before = tree(tmp_path)
    for source in ("goood.csv", "folder", "sheet.xlsx", "x" * 5000, "https://example.org/t.csv", "a\0b"):
        error = flyball("init", "p", "--from", tmp_path / source, "--target", "y", folder=tmp_path / "p").error(2)
        assert not error["code"].startswith("FB-CORE")
        assert tree(tmp_path) == before
    missing = flyball("init", "p", "--from", tmp_path / "goood.csv", "--target", "y", folder=tmp_path / "p")
    assert 'did you mean "good.csv"?' in missing.error(2)["fix"]


def test_a_wrong_target_name_gets_the_near_miss(tmp_path: Path) -> None:
    table = mixed_table(60)
    source = write(table, tmp_path / "t.csv")
    error = flyball("init", "p", "--from", source, "--target", "speed [rmp]", folder=tmp_path / "p").error(2)
    assert (error["code"], error["fix"]) == ("FB-TARGET-001", 'did you mean "speed [rpm]"?')
    assert tree(tmp_path) == {"t.csv": source.read_bytes()}


@pytest.mark.parametrize("name", ["a b", "../x", "", "ü", "x" * 200])
def test_a_name_that_cannot_stand_in_paths_is_refused(name: str, tmp_path: Path) -> None:
    source = write(mixed_table(60), tmp_path / "t.csv")
    assert flyball("init", name, "--from", source, "--target", "signal", folder=tmp_path / "p").error(2)
    assert tree(tmp_path) == {"t.csv": source.read_bytes()}


def test_a_project_is_not_made_twice_nor_over_a_file(tmp_path: Path) -> None:
    source = write(mixed_table(60), tmp_path / "t.csv")
    words = ("init", "plant", "--from", source, "--target", "signal")
    assert flyball(*words, folder=source).error(2)["code"] == "FB-FILE-001"
    assert flyball(*words, folder=source / "below").error(2)["code"] == "FB-FILE-001"
    assert tree(tmp_path) == {"t.csv": source.read_bytes()}
    flyball(*words, folder=tmp_path / "p").answer()
    before = tree(tmp_path)
    assert flyball(*words, folder=tmp_path / "p").error(2)["code"] == "FB-PROJECT-002"
    assert tree(tmp_path) == before


@pytest.mark.parametrize("budget", ["rubbish", "", "nan", "inf", "1e400s", "-5s", "5 parsecs", "0x10s"])
def test_a_budget_that_is_no_length_of_time_is_refused(budget: str, tmp_path: Path) -> None:
    source = write(mixed_table(60), tmp_path / "t.csv")
    flyball("init", "plant", "--from", source, "--target", "signal", folder=tmp_path / "p").answer()
    before = flyball("status", folder=tmp_path / "p").answer()
    assert flyball("run", f"--budget={budget}", folder=tmp_path / "p").error(2)
    assert flyball("status", folder=tmp_path / "p").answer() == before


def test_commands_outside_a_project_say_how_to_make_one(tmp_path: Path) -> None:
    for words in (("run",), ("status",), ("audit", "verify"), ("explain", "m@1", "--row", 0), ("keys", "list")):
        error = flyball(*words, folder=tmp_path).error(2)
        assert error["code"] == "FB-PROJECT-001"
        assert "flyball init" in error["fix"]
    assert tree(tmp_path) == {}
