"""What a dataset promises, inferred from one version and checked on the next."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.core.counting import counted
from flyball.data.table import Table
from flyball_runtime.errors import Refused, near_miss
from flyball_runtime.schema import Field, Kind, Schema, missing_mask

__all__ = ["ColumnPromise", "Contract", "ContractBroken", "Violation", "check_contract", "infer_contract"]

_LEVELS_KEPT = 50
_SLACK = 0.10


class ContractBroken(Refused):
    """Data does not keep what its contract promises: a column is gone, has another type, or has forbidden values."""

    code = "FB-CONTRACT-001"


@dataclass(frozen=True, slots=True)
class ColumnPromise:
    """One column's promise. `low` and `high` bound numbers and times (microseconds); `levels` are a text's only values."""

    name: str
    kind: Kind
    logical: str
    unit: str | None
    missing_allowed: bool
    unique: bool
    low: float | None = None
    high: float | None = None
    levels: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Contract:
    """The promises of a table's columns, in order."""

    columns: tuple[ColumnPromise, ...]

    @property
    def schema(self) -> Schema:
        return Schema(tuple(Field(c.name, c.kind, c.logical, c.unit) for c in self.columns))

    def to_dict(self) -> dict[str, Any]:
        columns = [
            asdict(column) | {"levels": list(column.levels) if column.levels else None} for column in self.columns
        ]
        return {"v": 1, "columns": columns}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Contract:
        return cls(
            tuple(
                ColumnPromise(**{**column, "levels": tuple(column["levels"]) if column["levels"] else None})
                for column in raw["columns"]
            )
        )


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise: `rule` is missing_column, type, missing, unique, range or levels; `rows` how many break it."""

    column: str
    rule: str
    what: str
    rows: int
    blocking: bool


def infer_contract(table: Table) -> Contract:
    """The promises that a table keeps now, widened by a tenth of its range so that ordinary growth does not break them.

    Text columns promise their values when there are at most 50 and each stands in several rows.
    """
    return Contract(tuple(_infer(field, table[field.name]) for field in table.schema))


def _infer(field: Field, values: NDArray[Any]) -> ColumnPromise:
    missing = missing_mask(values, field.kind)
    present = values[~missing]
    low = high = levels = None
    unique = False
    if field.kind == "text":
        counts = Counter(present.tolist())
        unique = len(counts) == len(present) > 1
        if counts and len(counts) <= _LEVELS_KEPT and len(present) >= 5 * len(counts):
            levels = tuple(sorted(counts))
    else:
        unique = field.logical != "float" and len(np.unique(present)) == len(present) > 1
        finite = present[np.isfinite(present)]
        if len(finite):
            spread = float(finite.max()) - float(finite.min())
            low, high = float(finite.min()) - _SLACK * spread, float(finite.max()) + _SLACK * spread
            low = max(low, 0.0) if finite.min() >= 0 else low
    return ColumnPromise(
        field.name, field.kind, field.logical, field.unit, bool(missing.any()), unique, low, high, levels
    )


def check_contract(table: Table, contract: Contract) -> list[Violation]:
    """Every promise that a table breaks; empty when it keeps all. A missing column or a wrong type is blocking."""
    return [violation for promise in contract.columns for violation in _check(table, promise)]


def _check(table: Table, promise: ColumnPromise) -> list[Violation]:
    if promise.name not in table:
        hint = near_miss(promise.name, table.names)
        what = "the column is missing" + (f"; {hint}" if hint else "")
        return [Violation(promise.name, "missing_column", what, table.rows, True)]
    field, values = table.schema[promise.name], table[promise.name]
    missing = missing_mask(values, field.kind)
    if field.kind != promise.kind:
        if missing.all():
            return _missing(promise, int(missing.sum()))
        what = f"the column holds {field.kind}s, the contract says {promise.kind}"
        return [Violation(promise.name, "type", what, table.rows, True)]
    found = _missing(promise, int(missing.sum()))
    present = values[~missing]
    if promise.unique and len(set(present.tolist())) < len(present):
        twice = len(present) - len(set(present.tolist()))
        found.append(Violation(promise.name, "unique", f"{twice:,} values stand more than once", twice, False))
    if promise.low is not None and promise.high is not None:
        outside = int(((present < promise.low) | (present > promise.high)).sum())
        if outside:
            what = f"{outside:,} values lie outside {promise.low:g} to {promise.high:g}"
            found.append(Violation(promise.name, "range", what, outside, False))
    if promise.levels is not None:
        known = set(promise.levels)
        strange = Counter(cell for cell in present.tolist() if cell not in known)
        if strange:
            rows = sum(strange.values())
            what = f"{len(strange):,} values that the contract does not know, in {rows:,} rows"
            found.append(Violation(promise.name, "levels", what, rows, False))
    return found


def _missing(promise: ColumnPromise, count: int) -> list[Violation]:
    if not count or promise.missing_allowed:
        return []
    return [
        Violation(
            promise.name, "missing", f"{counted(count, 'value')} {'is' if count == 1 else 'are'} missing", count, False
        )
    ]
