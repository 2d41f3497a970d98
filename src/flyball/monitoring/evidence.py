"""What moved, in words and numbers: a column before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.monitoring.cells import Column

__all__ = ["ColumnFinding", "describe_column"]

_LONGEST = 60


@dataclass(frozen=True, slots=True)
class ColumnFinding:
    """One column in one window.

    output: whether it is a score of the model, not one of its inputs; p: how rare its change is by chance, for all
    columns at once; distance: the share of rows that lie elsewhere than before (total variation, 0 to 1; chance alone
    gives some); before, after: numbers of the reference and the window; cell: where it moved most, with its share of
    the rows before and after; what: all of it in one sentence.
    """

    name: str
    kind: str
    output: bool
    p: float
    moved: bool
    distance: float
    before: Mapping[str, float | None]
    after: Mapping[str, float | None]
    cell: Mapping[str, Any]
    what: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "column": self.name,
            "kind": self.kind,
            "output": self.output,
            "p": self.p,
            "moved": self.moved,
            "distance": self.distance,
            "before": dict(self.before),
            "after": dict(self.after),
            "cell": dict(self.cell),
            "what": self.what,
        }


def describe_column(
    column: Column,
    before: NDArray[Any],
    after: NDArray[Any],
    *,
    p: float,
    moved: bool,
    kind: str,
    output: bool,
) -> ColumnFinding:
    """before, after: the raw values (rows,) of reference and window."""
    shares = [_shares(codes, column.size) for codes in (column.reference, column.window)]
    distance = float(np.abs(shares[1] - shares[0]).sum() / 2)
    cell = _cell(column, shares[0], shares[1])
    numbers = [_numbers(values, kind) for values in (before, after)]
    what = _sentence(cell, numbers[0], numbers[1], kind)
    return ColumnFinding(column.name, kind, output, p, moved, distance, numbers[0], numbers[1], cell, what)


def _shares(codes: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    return np.bincount(codes, minlength=size) / max(1, len(codes))


def _cell(column: Column, before: NDArray[np.float64], after: NDArray[np.float64]) -> dict[str, Any]:
    """The cell whose share moved most against its chance error."""
    rows = 1 / max(1, len(column.reference)) + 1 / max(1, len(column.window))
    pooled = (before * len(column.reference) + after * len(column.window)) / (
        len(column.reference) + len(column.window)
    )
    error = np.sqrt(np.maximum(pooled * (1 - pooled), 1e-12) * rows)
    place = int(np.argmax(np.abs(after - before) / error))
    return {"is": _name(column, place), "share_before": float(before[place]), "share_after": float(after[place])}


def _name(column: Column, place: int) -> str:
    if place == column.missing:
        return "missing"
    if column.kind == "time":
        return "present"
    if column.kind == "text":
        return _short(column.levels[place]) if place < len(column.levels) else "any rarer value"
    edges = column.edges if column.edges is not None else np.zeros(0)
    if len(edges) == 0:
        return "one value"
    if place == 0:
        return f"below {edges[0]:.6g}"
    return f"from {edges[-1]:.6g}" if place >= len(edges) else f"{edges[place - 1]:.6g} to {edges[place]:.6g}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _numbers(values: NDArray[Any], kind: str) -> dict[str, float | None]:
    if kind == "text":
        missing = sum(value is None for value in values)
        return {"rows": float(len(values)), "missing": missing / max(1, len(values))}
    if kind == "time":
        gone = values == np.iinfo(np.int64).min
        return {"rows": float(len(values)), "missing": float(gone.mean())}
    known = values[np.isfinite(values)]
    numbers: dict[str, float | None] = {"rows": float(len(values)), "missing": float(np.isnan(values).mean())}
    if len(known) == 0:
        return {**numbers, "low": None, "median": None, "high": None, "spread": None}
    quarter, median, other = np.quantile(known, [0.25, 0.5, 0.75])
    ends = {"low": float(known.min()), "median": float(median), "high": float(known.max())}
    return {**numbers, **ends, "spread": float((other - quarter) / 1.349)}


def _sentence(cell: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any], kind: str) -> str:
    was, now = cell["share_before"], cell["share_after"]
    if cell["is"] == "missing" or abs(after["missing"] - before["missing"]) > max(0.5 * abs(now - was), 0.02):
        return f"missing in {_percent(after['missing'])} of the rows; {_percent(before['missing'])} before"
    if kind == "text":
        if was == 0 and cell["is"] != "any rarer value":
            return f'"{cell["is"]}" in {_percent(now)} of the rows; never seen before'
        named = cell["is"] if cell["is"] == "any rarer value" else f'"{cell["is"]}"'
        return f"{named} in {_percent(now)} of the rows; {_percent(was)} before"
    if kind == "number" and after.get("median") is not None and before.get("median") is not None:
        return _number_sentence(cell, before, after)
    return f"{cell['is']} in {_percent(now)} of the rows; {_percent(was)} before"


def _number_sentence(cell: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    if after["low"] == after["high"] and before["low"] != before["high"]:
        return f"stuck: every value is {after['low']:.6g}; {before['low']:.6g} to {before['high']:.6g} before"
    beyond = "" if before["low"] <= after["low"] and after["high"] <= before["high"] else (
        f", now {after['low']:.6g} to {after['high']:.6g} where {before['low']:.6g} to {before['high']:.6g} was seen"
    )  # fmt: skip
    if before["spread"] > 0 and abs(after["median"] - before["median"]) > 0.1 * before["spread"]:
        moved = (after["median"] - before["median"]) / before["spread"]
        return f"median {after['median']:.6g}; {before['median']:.6g} before ({moved:+.1f} standard deviations){beyond}"
    return (
        f"{_percent(cell['share_after'])} of the rows lie {_where(cell['is'])}; "
        f"{_percent(cell['share_before'])} before{beyond}"
    )


def _where(cell: str) -> str:
    return f"at {cell}" if cell[0].isdigit() or cell.startswith("-") else cell.replace("from ", "at or above ", 1)


def _percent(share: float) -> str:
    """A share for people.

    >>> _percent(0.1234), _percent(0.004), _percent(0.0)
    ('12.3 %', '0.40 %', '0 %')
    """
    if share in {0, 1}:
        return f"{share * 100:.0f} %"
    return f"{share * 100:.1f} %" if share >= 0.01 else f"{share * 100:.2f} %"
