"""What a refused request may say when the value at fault stands in a personal column: where it is, never what it is."""

from __future__ import annotations

import re
from collections.abc import Collection

from flyball.serving.cells import BadValue
from flyball_runtime.errors import BadInput, FlyballError
from flyball_runtime.table import WrongType

__all__ = ["OutcomePersonal", "without_value"]

_ROW = re.compile(r"\brow \d+")


class OutcomePersonal(BadInput):
    """What was true of a prediction cannot be logged: the target is personal, and its values are numbers of persons."""

    code = "FB-SERVE-030"


def without_value(error: FlyballError, personal: Collection[str]) -> FlyballError:
    """The same error, silent about a value of a personal column: for answers, logs and terminals alike.

    >>> from flyball_runtime.errors import FlyballError
    >>> without_value(BadValue('column "wage", row 3: 1e999 does not fit into FP32'), ["wage"]).what
    'column "wage", row 3: the value cannot be used'
    """
    named = next((name for name in personal if f'"{name}"' in error.what), None)
    if named is None or not isinstance(error, BadValue | WrongType):
        return error
    row = _ROW.search(error.what)
    rest = _ROW.sub("", error.what.replace(f'"{named}"', ""))
    if re.search(r"\d|['\"]", re.sub(r"\b[A-Z]+\d+\b", "", rest)):  # datatypes such as FP32 are no values
        error.what = f'column "{named}"' + (f", {row[0]}" if row else "") + ": the value cannot be used"
    if error.why:
        error.why = "the column is personal, so its value is not shown"
    error.facts = {}
    error.args = (error.what,)
    return error
