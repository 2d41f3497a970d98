"""Generated tables through the reader and the look: false findings in clean ones, misses in planted ones."""

from __future__ import annotations

import math
import tempfile
import time
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.honesty_cases.clean import CLEAN, Columns
from benchmarks.honesty_cases.planted import PLANTED
from flyball.data import read_source
from flyball.data.look import Look, look

__all__ = ["clean_trial", "planted_trial"]


def clean_trial(kind: str, seed: int) -> dict[str, Any]:
    """One clean table: everything that was found in it, as words."""
    found, seconds = _looked(CLEAN[kind](_rng(kind, seed)), seed)
    said = [f"{leak.column} is a leak: {leak.what} ({leak.why})" for leak in found.leaks]
    if found.structure.kind != "random":
        said.append(f"split by {found.structure.kind} ({found.structure.by}): {found.structure.why}")
    said += [f"{item.column or 'the table'}: {item.kind}: {item.what} ({item.why})" for item in found.columns]
    return {"kind": kind, "seed": seed, "false": said, "seconds": round(seconds, 2)}


def planted_trial(kind: str, seed: int) -> dict[str, Any]:
    """One planted table: whether the plant was found, and what else was said."""
    plant = PLANTED[kind](_rng(kind, seed))
    found, seconds = _looked(plant.columns, seed)
    leaks = {leak.column for leak in found.leaks}
    findings = {(item.kind, item.column) for item in found.columns}
    hits = [bool(leaks & set(plant.leaks))] if plant.leaks else []
    if plant.split:
        hits.append(found.structure.kind == plant.split[0] and found.structure.by in plant.split[1])
    if plant.finding:
        hits.append(plant.finding in findings)
    expected = set(plant.leaks)
    others = [f"{leak.column} is a leak: {leak.why}" for leak in found.leaks if leak.column not in expected]
    if not plant.split and found.structure.kind != "random":
        others.append(f"split by {found.structure.kind} ({found.structure.by}): {found.structure.why}")
    seen = [f"{leak.column}: {leak.action}: {leak.why}" for leak in found.leaks]
    return {
        "kind": kind, "seed": seed, "found": any(hits), "others": others, "seconds": round(seconds, 2),
        "whole": not plant.leaks or leaks >= expected or not hits[0],
        "seen": seen or [f"{found.structure.kind} {found.structure.by}: {found.structure.why}"]
        + [f"{item.column}: {item.kind}" for item in found.columns],
    }  # fmt: skip


def _rng(kind: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(kind.encode())])


def _looked(columns: Columns, seed: int) -> tuple[Look, float]:
    """The look at a table that went through a CSV file, as a user's would, and its seconds."""
    import polars as pl

    with tempfile.TemporaryDirectory(prefix="flyball-honesty-") as folder:
        path = Path(folder) / "table.csv"
        plain = {name: _plain(values) for name, values in columns.items()}
        pl.DataFrame(plain).write_csv(path)
        table = read_source(path).table
    began = time.perf_counter()
    return look(table, "y", seed=seed), time.perf_counter() - began


def _plain(values: Sequence[Any] | np.ndarray[Any, Any]) -> list[Any]:
    """Python values, NaN and the empty text as None."""
    return [None if cell == "" else _cell(cell) for cell in np.asarray(values).tolist()]


def _cell(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def summary(clean: Sequence[Mapping[str, Any]], planted: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Totals, and the share that the contract states for 40 tables: at most 2 false findings, at least 36 plants."""
    false = sum(len(trial["false"]) for trial in clean)
    found = sum(trial["found"] for trial in planted)
    return {
        "clean_tables": len(clean), "false_findings": false, "false_per_40": round(40 * false / max(len(clean), 1), 2),
        "planted_tables": len(planted), "found": found, "found_per_40": round(40 * found / max(len(planted), 1), 2),
        "other_findings_in_planted": sum(len(trial["others"]) for trial in planted),
    }  # fmt: skip
