"""Reading an evidence document for people: tolerant of parts that are absent, silent about personal values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from flyball.charts import number, span
from flyball.evaluation import METRICS

__all__ = ["Evidence"]


class Evidence:
    """An evidence document with the look-ups that reports and cards share."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.task = str(document.get("task") or "")
        self.metric = str(document.get("metric") or "")
        self.target = str(document.get("target") or "the target")
        self.model = str(document.get("model") or "model")

    def part(self, *keys: str) -> Mapping[str, Any]:
        """A nested object, empty when it is absent."""
        found: Any = self.document
        for key in keys:
            found = found.get(key) if isinstance(found, Mapping) else None
        return found if isinstance(found, Mapping) else {}

    def items(self, key: str) -> Sequence[Mapping[str, Any]]:
        """A list of objects, empty when it is absent."""
        found = self.document.get(key)
        return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list | tuple) else []

    def measured(self, part: str, name: str) -> Mapping[str, Any]:
        return self.part("metrics", part, name)

    def shown(self, part: str, name: str) -> str:
        """A metric with its interval; a dash when it was not measured."""
        found = self.measured(part, name)
        return span(found.get("value"), found.get("low"), found.get("high")) if found else "–"

    @property
    def metrics(self) -> list[str]:
        """The metrics measured on the test rows, the one that the model is judged by first."""
        names = [name for name in self.part("metrics", "test") if name in METRICS]
        return sorted(names, key=lambda name: (name != self.metric, list(METRICS).index(name)))

    @property
    def personal(self) -> frozenset[str]:
        return frozenset(map(str, self.part("data").get("personal") or ()))

    @property
    def created(self) -> str:
        """The moment of making, as a person writes it."""
        raw = str(self.document.get("created") or "")
        try:
            moment = datetime.fromisoformat(raw)
        except ValueError:
            return raw
        return f"{moment.day} {moment:%B %Y, %H:%M} UTC"

    @staticmethod
    def is_clear(found: Mapping[str, Any]) -> bool:
        """Whether a difference's interval leaves zero out; unknown ends leave it in."""
        low, high = found.get("low"), found.get("high")
        return low is not None and high is not None and (low > 0 or high < 0)

    def label(self, name: str) -> str:
        return METRICS[name].label if name in METRICS else name

    def cell(self, column: str, value: Any) -> str:
        """A row's value as text; that of a personal column stays hidden."""
        if column in self.personal:
            return "hidden (personal)"
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return "missing"
        if isinstance(value, bool) or not isinstance(value, int | float):
            return str(value)
        return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e5 else number(value, 4)
