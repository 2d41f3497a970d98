"""Values that only stand for "not known": those that the project file declares, or else those that the look finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.data import Finding, Table, Target, disguised_missing, disguised_target, prepare_target
from flyball.pipeline.settings import LoopSettings
from flyball_runtime.errors import BadInput
from flyball_runtime.schema import MISSING_TIME, Kind, missing_mask

__all__ = [
    "MissingUnfit",
    "cells_without_value",
    "declared_otherwise",
    "known_target",
    "missing_notes",
    "missing_values",
]


class MissingUnfit(BadInput):
    """The project file declares values as missing that a column of that kind cannot hold."""

    code = "FB-PIPE-030"


def known_target(table: Table, settings: LoopSettings) -> tuple[Target, list[Finding]]:
    """The target's rows, without those in which it only looks known, such as -200; and what was found to say so."""
    target = prepare_target(table, settings.target)
    declared = dict(settings.missing)
    if settings.target in declared:
        return prepare_target(table, settings.target, declared[settings.target]), []
    hidden = disguised_target(target.field, target.values)
    values = [value for item in hidden for value in item.values]
    return (prepare_target(table, settings.target, values), hidden) if values else (target, [])


def missing_values(
    table: Table, settings: LoopSettings, found: Mapping[str, Any], used: Sequence[str]
) -> dict[str, tuple[Any, ...]]:
    """Values that mean missing, by used column. Raises MissingUnfit."""
    absent = {item["column"]: tuple(item["values"]) for item in found["columns"] if item["action"] == "as missing"}
    for name, values in settings.missing:
        kind = table.schema[name].kind
        if any(isinstance(value, str) != (kind == "text") for value in values) or (kind == "time" and values):
            raise MissingUnfit(
                f'missing gives "{name}" values of another kind than its own',
                where=settings.place("data.missing"),
                why={"text": "it holds text", "number": "it holds numbers", "time": "it holds times"}[kind],
                fix='write texts in quotes and numbers without: missing = { kind = ["none"], pressure = [-1] }',
            )
        absent[name] = values
    return {name: absent[name] for name in used if absent.get(name)}


def declared_otherwise(table: Table, settings: LoopSettings) -> list[tuple[Finding, tuple[Any, ...]]]:
    """What would have been found of columns whose missing values are declared, where that is something else."""
    differs = []
    for name, values in settings.missing:
        field, cells = table.schema[name], table[name]
        search = disguised_target if name == settings.target else disguised_missing
        found = search(field, cells[~missing_mask(cells, field.kind)])
        differs += [(item, values) for item in found if set(item.values) != set(values)]
    return differs


def missing_notes(settings: LoopSettings) -> list[str]:
    return [
        f'"{name}": ' + (f"{', '.join(map(str, values))} count as missing" if values else "every value means what it says")
        + ", declared in the project file"
        for name, values in settings.missing
    ]  # fmt: skip


def cells_without_value(rows: int, kind: Kind) -> NDArray[Any]:
    """A normalised column in which every cell is missing: (rows,)."""
    fill: dict[str, Any] = {"number": np.nan, "time": MISSING_TIME, "text": None}
    dtype: dict[str, Any] = {"number": np.float64, "time": np.int64, "text": object}
    return np.full(rows, fill[kind], dtype=dtype[kind])
