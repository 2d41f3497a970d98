"""Versions, aliases and rows that do not exist are refused with what there is instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.command_line import flyball
from support.projects import standing

REFS = {
    "plant@7": "FB-REG-003", "plant@0": "FB-REG-003", "plant@live": "FB-REG-004", "plants@1": "FB-REG-002",
    "Plant@1": "FB-REG-002", "@1": "FB-REG-001", "plant@": "FB-REG-001", "plant@1@2": "FB-REG-001", "": "FB-REG-001",
    "../plant@1": "FB-REG-001",
}  # fmt: skip


@pytest.mark.parametrize("ref", REFS)
def test_an_unknown_version_is_refused_by_every_command(ref: str, tmp_path: Path) -> None:
    made = standing("binary")
    for words in (("explain", ref, "--row", 0), ("predict", ref, made.source, tmp_path / "out.csv"),
                  ("promote", ref, "staging", "--reason", "r"), ("serve", ref)):  # fmt: skip
        assert flyball(*words, folder=made.folder).error(2)["code"] == REFS[ref]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ref", ["plant", "plant@latest", "plant@1"])
def test_a_version_may_be_named_by_model_latest_or_number(ref: str) -> None:
    made = standing("binary")
    assert flyball("explain", ref, "--row", 0, folder=made.folder).answer()["version"] == 1


@pytest.mark.parametrize("row", [240, -1, 10**12, 10**30])
def test_a_row_that_the_table_lacks_is_refused(row: int) -> None:
    made = standing("binary")
    error = flyball("explain", "plant@1", f"--row={row}", folder=made.folder).error(2)
    assert "240 rows" in error["why"]


@pytest.mark.parametrize("alias", ["", "a b", "1", "latest", "x" * 300, "pröd", "../x"])
def test_an_alias_that_could_be_mistaken_is_refused(alias: str) -> None:
    made = standing("binary")
    before = flyball("audit", "anchor", folder=made.folder).answer()
    words = ("promote", "plant@1", alias, "--reason", "r")
    assert flyball(*words, folder=made.folder).error(2)["code"] == "FB-REG-001"
    assert flyball("promote", "plant@1", "staging", folder=made.folder).error(2)["code"] == "FB-CLI-001"
    assert flyball("audit", "anchor", folder=made.folder).answer() == before
