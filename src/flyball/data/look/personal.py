"""Columns that tell who somebody is."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.data.look.report import Finding
from flyball.data.table import Table
from flyball_runtime.schema import Field

__all__ = ["personal_columns"]

_NAMES = {
    "a person's name": r"(first|last|given|middle|family|full|sur|maiden|contact|customer|patient|employee|person)_?name"
    r"|surname",
    "an e-mail address": r"e_?mail(_?address)?",
    "a phone number": r"(tele)?phone(_?(no|number))?|mobile(_?(no|number|phone))|fax",
    "an address": r"address(_?line)?_?\d?|street|post(al)?_?code|zip(_?code)?",
    "a date of birth": r"birth_?(date|day)|date_?of_?birth|dob",
    "an official number": r"(ssn|social_?security|passport)(_?(no|number))?|tax_?id|iban|national_?id|licen[cs]e_?plate",
    "a network address": r"ip_?(addr(ess)?)?|mac_?address",
    "a payment card": r"(credit_?)?card_?(no|number)",
}
_BY_NAME = [(meaning, re.compile(rf"(.*_)?({pattern})", re.IGNORECASE)) for meaning, pattern in _NAMES.items()]
_BY_VALUE = [
    ("e-mail addresses", re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")),
    ("phone numbers", re.compile(r"(\+\d{1,3}[ -.]?)?(\(\d{1,5}\)|\d{2,5})[ .-]\d{2,5}([ .-]\d{2,5})+")),
    ("network addresses", re.compile(r"(\d{1,3}\.){3}\d{1,3}")),
    ("bank account numbers", re.compile(r"[A-Z]{2}\d{2}([ ]?[A-Z0-9]{4}){3,7}([ ]?[A-Z0-9]{1,3})?")),
    ("social security numbers", re.compile(r"\d{3}-\d{2}-\d{4}")),
]
_SAMPLE = 500
_DATE_LIKE = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}")


def personal_columns(table: Table, target: str) -> list[Finding]:
    """A finding for each column whose name or values point at persons. A code of few levels never does."""
    findings = []
    for field in table.schema:
        if field.name == target:
            continue
        found = _by_name(field, table[field.name]) or _by_value(field, table[field.name])
        if found:
            meaning, why = found
            findings.append(
                Finding("personal data", field.name, f"looks like {meaning}: kept out of logs and reports", why, "mark")
            )
    return findings


def _by_name(field: Field, values: NDArray[Any]) -> tuple[str, str] | None:
    snake = re.sub(r"[\s./-]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", field.name)).strip("_")
    for meaning, pattern in _BY_NAME:
        if pattern.fullmatch(snake):
            distinct = _distinct(values)
            if distinct >= max(5, min(50, len(values) // 10)) and field.logical != "float":
                return meaning, f"its name, and {distinct:,} different values"
    return None


def _by_value(field: Field, values: NDArray[Any]) -> tuple[str, str] | None:
    if field.kind != "text":
        return None
    present = [cell for cell in values[: 20 * _SAMPLE] if cell is not None][:_SAMPLE]
    if len(present) < 5 or len(set(present)) < 5:
        return None
    for meaning, pattern in _BY_VALUE:
        share = float(np.mean([bool(pattern.fullmatch(c.strip())) and not _DATE_LIKE.fullmatch(c) for c in present]))
        if share >= 0.5:
            return meaning, f"{share:.0%} of its values have that form"
    return None


def _distinct(values: NDArray[Any]) -> int:
    return (
        len(np.unique(values))
        if values.dtype != object
        else len({cell for cell in values.tolist() if cell is not None})
    )
