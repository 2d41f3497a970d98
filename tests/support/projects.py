"""Projects with one registered version, made once for the whole test process; whoever changes one copies it first."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from support.command_line import flyball
from support.tables import mixed_table, write

__all__ = ["RULES", "TARGET", "Standing", "make_project", "standing"]

TARGET = 'has "failed", ß?'
Kind = Literal["binary", "multiclass", "regression"]
RULES = """
[gate.candidate]
{metric} = "{sure}"

[gate.strict]
{metric} = "{beyond}"
beats_baseline = true
"""
_GATES = {
    "binary": {"metric": "roc_auc", "sure": ">= 0.5", "beyond": "> 0.9999"},
    "multiclass": {"metric": "accuracy", "sure": ">= 0.2", "beyond": "> 0.9999"},
    "regression": {"metric": "rmse", "sure": "<= 1000", "beyond": "< 0.00001"},
}


@dataclass(frozen=True, slots=True)
class Standing:
    """A project folder beside the table it was made from, and what `init` and `run` answered."""

    folder: Path
    source: Path
    table: pl.DataFrame
    init: dict[str, Any]
    run: dict[str, Any]

    @property
    def bundle(self) -> Path:
        return Path(self.run["bundle"])

    def copy(self, to: Path) -> Path:
        """The same project elsewhere, to be changed."""
        shutil.copytree(self.folder, to)
        return to


@functools.cache
def standing(kind: Kind) -> Standing:
    """A binary project (CSV, target 0/1), a multiclass one (Parquet, texts), a regression (CSV, floats)."""
    root = Path(tempfile.mkdtemp(prefix="flyball-standing-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    table = mixed_table()
    signal = table["signal"].to_numpy()
    target = {
        "binary": pl.Series((signal > 0).astype(int)),
        "multiclass": pl.Series(np.array(["low", "mid, um", 'hü"gh'])[np.digitize(signal, [-0.7, 0.7])]),
        "regression": pl.Series(signal.round(4)),
    }[kind]
    table = table.drop("signal").with_columns(target.alias(TARGET))
    source = write(table, root / ("table.parquet" if kind == "multiclass" else "table.csv"))
    folder, made = make_project(root / "p", source, TARGET)
    project_file = folder / "flyball.toml"
    text = project_file.read_text(encoding="utf-8") + RULES.format(**_GATES[kind])
    project_file.write_text(text, encoding="utf-8")
    run = flyball("run", "--budget", "1s", "--reason", "first", folder=folder).answer()
    return Standing(folder, source, table, made, run)


def make_project(folder: Path, source: Path, target: str, *, name: str = "plant") -> tuple[Path, dict[str, Any]]:
    """`flyball init`; the folder and the answer."""
    return folder, flyball("init", name, "--from", source, "--target", target, folder=folder).answer()
