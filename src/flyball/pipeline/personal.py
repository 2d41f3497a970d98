"""What may be told of columns marked personal: their names and measures, never their values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

__all__ = ["contract_without_values", "finding_without_values", "personal_columns"]


def personal_columns(found: Mapping[str, Any], declared: Collection[str]) -> tuple[str, ...]:
    """The columns that the project file declares personal, or that a look at the data found to be."""
    seen = {item["column"] for item in found["columns"] if item["kind"] == "personal data" and item["column"]}
    return tuple(sorted(seen | set(declared)))


def finding_without_values(finding: Mapping[str, Any], personal: Collection[str]) -> dict[str, Any]:
    """A finding as it may be shown: that a personal column leaks is told by its measures, not by the value that does."""
    if finding["kind"] != "leak" or finding["column"] not in personal or not finding["evidence"]:
        return dict(finding)
    measures = ", ".join(f"{name} {value:.6g}" for name, value in finding["evidence"].items() if name != "value")
    return {**finding, "why": f"its values are personal and not shown; {measures}"}


def contract_without_values(contract: Mapping[str, Any], personal: Collection[str]) -> dict[str, Any]:
    """A contract that promises no values of personal columns: their levels and ranges are left open."""
    silent = {"low": None, "high": None, "levels": None}
    columns = [{**column, **silent} if column["name"] in personal else column for column in contract["columns"]]
    return {**contract, "columns": columns}
