"""One call of the protocol: its fields by name, of the types that proto3 JSON allows them."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from flyball.ledger import Actor
from flyball.mlflow.errors import invalid
from flyball.tracking import Metric

__all__ = ["Call", "listed", "page_token"]

_STAGES = {"ACTIVE_ONLY": ("active",), "DELETED_ONLY": ("deleted",), "ALL": ("active", "deleted")}
_VIEWS = {"1": "ACTIVE_ONLY", "2": "DELETED_ONLY", "3": "ALL"}
_LARGEST = 2**63


class Call:
    """The fields of a request, from its JSON body or its query, and who asks.

    A field that is absent, null or empty counts as not given. Every getter raises ProtocolError
    (INVALID_PARAMETER_VALUE) for a value of another type.
    """

    def __init__(self, fields: Mapping[str, Any], actor: Actor) -> None:
        self._fields = fields
        self.actor = actor

    def given(self, name: str) -> bool:
        """Whether the field stands in the request at all."""
        return self._fields.get(name) is not None

    def text(self, name: str, default: str = "") -> str:
        value = self._fields.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise invalid(f"{name} must be a text, not {value!r}")
        return value

    def required(self, *names: str) -> str:
        """The first of these fields that is not empty: some have an older name too."""
        for name in names:
            if value := self.text(name):
                return value
        raise invalid(f"Missing value for required parameter '{names[0]}'.")

    def whole(self, name: str, default: int | None = None) -> int | None:
        value = self._fields.get(name)
        if value is None or value == "":
            return default
        try:
            if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
                raise ValueError(value)
            number = int(value)
        except (ValueError, TypeError, OverflowError):
            raise invalid(f"{name} must be a whole number, not {value!r}") from None
        if not -_LARGEST <= number < _LARGEST:
            raise invalid(f"{name} does not fit into 64 bits: {value!r}")
        return number

    def number(self, name: str) -> float:
        """A required float; NaN and infinities may be written as texts."""
        value = self._fields.get(name)
        if value is None or value == "":
            raise invalid(f"Missing value for required parameter '{name}'.")
        try:
            if isinstance(value, bool):
                raise ValueError(value)
            return float(value)
        except (ValueError, TypeError, OverflowError):
            raise invalid(f"{name} must be a number, not {value!r}") from None

    def point(self) -> Metric | None:
        """A point of a metric whose fields are of the usual types, for batches of many; None: look at each field."""
        get = self._fields.get
        key, value, timestamp, step = get("key"), get("value"), get("timestamp"), get("step")
        if not (key and isinstance(key, str) and isinstance(value, float)):
            return None
        if type(timestamp) is not int or type(step) is not int:  # true is a whole number to isinstance
            return None
        inside = 0 <= timestamp < _LARGEST and -_LARGEST <= step < _LARGEST
        return Metric(key, value, timestamp, step) if inside else None

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self._fields.get(name)
        if value is None:
            return default
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if not isinstance(value, bool):
            raise invalid(f"{name} must be true or false, not {value!r}")
        return value

    def texts(self, name: str) -> list[str]:
        value = self._fields.get(name)
        if value is None:
            return []
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            raise invalid(f"{name} must be a list of texts, not {value!r}")
        return found

    def calls(self, name: str) -> list[Call]:
        """The objects of a list, as calls of their own."""
        value = self._fields.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise invalid(f"{name} must be a list of objects")
        return [Call(item, self.actor) for item in value]

    def part(self, name: str) -> Call:
        """An object within this one. Raises ProtocolError when it is absent."""
        value = self._fields.get(name)
        if not isinstance(value, dict):
            raise invalid(f"{name} must be an object")
        return Call(value, self.actor)

    def pairs(self, name: str) -> dict[str, str]:
        """A list of objects with `key` and `value`; the last of a key counts."""
        return {item.required("key"): item.text("value") for item in self.calls(name)}

    def stages(self, name: str) -> tuple[str, ...]:
        """Which stages of life a view takes in."""
        value = str(self._fields.get(name) or "ACTIVE_ONLY")
        view = _VIEWS.get(value, value.upper())
        if view not in _STAGES:
            raise invalid(f"{name} must be one of {', '.join(_STAGES)}, not {value!r}")
        return _STAGES[view]

    def limit(self, default: int, most: int) -> int:
        """`max_results`, from 1 to `most`."""
        value = self.whole("max_results", default)
        if value is None or not 1 <= value <= most:
            raise invalid(f"Invalid value {value} for parameter 'max_results' supplied. It must be from 1 to {most:,}.")
        return value

    def offset(self) -> int:
        """Where the page begins that `page_token` stands for."""
        token = self.text("page_token")
        if not token:
            return 0
        try:
            offset = int(json.loads(base64.b64decode(token))["offset"])
        except (binascii.Error, ValueError, TypeError, KeyError, OverflowError, RecursionError):
            raise invalid(f"Invalid page token {token[:100]!r}") from None
        if not 0 < offset < _LARGEST:
            raise invalid(f"Invalid page token {token[:100]!r}")
        return offset


def listed(text: str | None, tag: str) -> list[Any]:
    """The list that a tag holds as JSON; clients may have written anything there. Raises ProtocolError."""
    try:
        found = json.loads(text) if text else []
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise invalid(f"the tag {tag} does not hold a list in JSON")
    return found


def page_token(answer: dict[str, Any], offset: int | None) -> dict[str, Any]:
    """The answer, with the token of the next page if there is one."""
    if offset is not None:
        answer["next_page_token"] = base64.b64encode(json.dumps({"offset": offset}).encode()).decode()
    return answer
