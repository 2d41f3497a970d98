"""A mistake in flyball.toml is refused with the line it stands on, before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.command_line import flyball
from support.projects import Standing, make_project, standing

MODEL = "[model.plant]\n"
BUDGET = 'budget = "60s"\n'
MISTAKES: dict[str, tuple[str, str, str, str]] = {
    # what is wrong: (line to find, what replaces it, code, a part of the error)
    "a misspelt key": (BUDGET, 'bugdet = "60s"\n', "FB-CONFIG-003", 'did you mean "budget"?'),
    "a misspelt section": ("[gate.production]", "[gates.production]", "FB-CONFIG-003", 'did you mean "gate"'),
    "a misspelt metric in a gate": ("beats_baseline = true", 'rocauc = ">= 0.6"', "FB-CONFIG-003", "roc_auc"),
    "a rule that is none": ("beats_baseline = true", 'roc_auc = "=> 0.6"', "FB-CONFIG-004", "'=> 0.6'"),
    "a text where a list belongs": (BUDGET, BUDGET + "drop = 3\n", "FB-CONFIG-004", "drop"),
    "no TOML": (MODEL, "[model.plant\n", "FB-CONFIG-002", "flyball.toml:"),
    "a budget that is none": (BUDGET, 'budget = "soon"\n', "FB-CONFIG-004", "soon"),
    "a misspelt metric": (BUDGET, BUDGET + 'metric = "rocauc"\n', "FB-CONFIG-004", 'did you mean "roc_auc"?'),
    "a metric of another task": (BUDGET, BUDGET + 'metric = "rmse"\n', "FB-METRIC-001", "roc_auc"),
    "an unknown column to drop": (BUDGET, BUDGET + 'drop = ["ok"]\n', "FB-PIPE-002", 'did you mean "ok?"?'),
    "an unknown column to keep": (BUDGET, BUDGET + 'keep = ["nix"]\n', "FB-PIPE-002", "keep names"),
    "an unknown time column": (BUDGET, BUDGET + 'time = "day"\n', "FB-PIPE-002", "time names"),
    "an unknown data column to drop": (MODEL, 'drop = ["nix"]\n' + MODEL, "FB-PIPE-002", "drop names"),
    "an unknown personal column": (MODEL, 'personal = ["nix"]\n' + MODEL, "FB-PIPE-002", "personal names"),
    "groups named by the target": (BUDGET, BUDGET + "group = 'has \"failed\", ß?'\n", "FB-PIPE-004", "group names"),
    "weights that are none": (BUDGET, BUDGET + 'weight = "day of test"\n', "FB-PIPE-003", "weigh"),
    "a task that does not suit": (BUDGET, BUDGET + 'task = "multiclass"\n', "FB-PIPE-005", "2 different values"),
    "a group split without groups": (BUDGET, BUDGET + 'split = "group"\n', "FB-SPLIT-001", "group"),
    "a source that is gone": ("table.csv", "tabel.csv", "FB-DATA-001", 'did you mean "table.csv"?'),
    "a dataset that is not declared": ('data = "plant"', 'data = "plants"', "FB-CONFIG-004", 'did you mean "plant"?'),
}


@pytest.fixture(scope="module")
def made() -> Standing:
    return standing("binary")


@pytest.fixture(scope="module")
def folder(made: Standing, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("mistakes") / "p", made.source, made.init["target"])[0]


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_in_the_project_file_is_refused(kind: str, folder: Path) -> None:
    old, new, code, told = MISTAKES[kind]
    file = folder / "flyball.toml"
    right = file.read_text(encoding="utf-8")
    assert right.count(old) == 1
    line = right[: right.index(old)].count("\n") + 1
    try:
        file.write_text(right.replace(old, new), encoding="utf-8")
        error = flyball("run", "--budget", "0.3s", folder=folder).error(2)
    finally:
        file.write_text(right, encoding="utf-8")
    assert error["code"] == code
    assert told in " ".join(str(part) for part in error.values())
    if code.startswith("FB-CONFIG") and "\n" not in new.rstrip("\n"):
        assert error["where"].startswith(f"flyball.toml:{line}:")
    assert flyball("status", folder=folder).answer()["models"] == []


def test_windows_line_ends_and_a_byte_order_mark_are_read(folder: Path) -> None:
    file = folder / "flyball.toml"
    right = file.read_bytes()
    try:
        file.write_bytes(b"\xef\xbb\xbf" + right.replace(b"\n", b"\r\n"))
        assert flyball("status", folder=folder).answer()["models"] == []
    finally:
        file.write_bytes(right)
