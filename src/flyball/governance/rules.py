"""Gate rules, as the project file states them: read into records, or refused with their line."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from flyball.charts import number
from flyball.config import DurationInvalid, SizeInvalid, parse_duration, parse_size
from flyball.evaluation import METRICS, metric
from flyball_runtime.errors import BadInput

__all__ = ["AtMost", "BeatsBaseline", "Bound", "NoWorseThan", "Rule", "RuleInvalid", "Where", "Within", "parse_rules"]

Where = Callable[[str], str]
_SHORT_FORM = re.compile(r"\s*(>=|<=|>|<)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(%?)\s*")
_ENDS = ("value", "low", "high")


class RuleInvalid(BadInput):
    """A gate's rule is not written in a form that Flyball knows."""

    code = "FB-GATE-001"


@dataclass(frozen=True, slots=True)
class Bound:
    """A test metric, or an end of its interval, held within bounds."""

    metric: str
    min: float | None
    max: float | None
    of: Literal["value", "low", "high"] = "value"
    exclusive: bool = False
    where: str | None = None

    @property
    def text(self) -> str:
        """The rule in words.

        >>> Bound("recall", 0.5, None, of="low").text
        'recall (low end) >= 0.5'
        """
        equal = "" if self.exclusive else "="
        sides = [
            f"{sign}{equal} {number(end, 6)}" for sign, end in ((">", self.min), ("<", self.max)) if end is not None
        ]
        return f"{subject(self.metric, self.of)} {' and '.join(sides)}"


@dataclass(frozen=True, slots=True)
class BeatsBaseline:
    """The model's metric, at the bad end of its interval, is better than guessing."""

    where: str | None = None
    text: str = "beats the baseline"


@dataclass(frozen=True, slots=True)
class NoWorseThan:
    """The model is not worse than the version that an alias holds, both measured on the same rows.

    Without `margin` it must not be clearly worse; with one, it must be shown to be at most that much worse.
    """

    alias: str
    where: str | None = None
    margin: float | None = None

    @property
    def text(self) -> str:
        """The rule in words.

        >>> NoWorseThan("production", margin=0.005).text
        'no worse than production by more than 0.005'
        """
        within = "" if self.margin is None else f" by more than {number(self.margin, 6)}"
        return f"no worse than {self.alias}{within}"


@dataclass(frozen=True, slots=True)
class AtMost:
    """No more than so many findings of the look are overruled in a way that can flatter; or leaks kept."""

    counted: Literal["overrules", "leaks_kept"]
    most: int
    where: str | None = None

    @property
    def text(self) -> str:
        """The rule in words.

        >>> AtMost("leaks_kept", 0).text
        'leaks kept: at most 0'
        """
        return f"{self.counted.replace('_', ' ')}: at most {self.most:,}"


@dataclass(frozen=True, slots=True)
class Within:
    """A single row takes no longer, or the graph is no larger; `most` is in milliseconds or megabytes."""

    measured: Literal["latency", "size"]
    most: float
    where: str | None = None

    @property
    def text(self) -> str:
        """The rule in words.

        >>> Within("latency", 2.0).text
        'latency: at most 2 ms'
        """
        return f"{self.measured}: at most {self.amount(self.most)}"

    def amount(self, value: float) -> str:
        """A value with its unit."""
        return f"{number(value, 3)} {'ms' if self.measured == 'latency' else 'MB'}"


Rule = AtMost | Bound | BeatsBaseline | NoWorseThan | Within


def parse_rules(gate: str, rules: Mapping[str, Any], where: Where | None = None) -> list[Rule]:
    """The rules of a `[gate.NAME]` section, in its order.

    A metric's rule is a text (`">= 0.60"`, `"<= 3 %"`) or a table (`{ min = 0.6, max = 0.9, of = "low" }`); beside
    the metrics stand `beats_baseline = true`, `no_worse_than = "ALIAS"` (or `{ alias, margin }`), and `overrules` and
    `leaks_kept` with the number that is let pass, and
    `latency = "2ms"` and `size = "10MB"`. `where` tells the line of a key.
    Raises RuleInvalid or UnknownMetric.
    """
    found: list[Rule] = []
    for key, raw in rules.items():
        place = where(f"gate.{gate}.{key}") if where else None
        if key == "beats_baseline":
            if not isinstance(raw, bool):
                raise _invalid(key, raw, place, "write beats_baseline = true")
            found += [BeatsBaseline(place)] if raw else []
        elif key == "no_worse_than":
            found.append(_no_worse(key, raw, place))
        elif key in ("overrules", "leaks_kept"):
            if isinstance(raw, bool) or not isinstance(raw, int) or raw < 0:
                raise _invalid(key, raw, place, f"write how many are let pass: {key} = 0")
            found.append(AtMost("overrules" if key == "overrules" else "leaks_kept", raw, place))
        elif key in ("latency", "size"):
            found.append(_within(key, raw, place))
        else:
            found.append(_bound(metric(key, where=place).name, raw, place))
    return found


def _no_worse(key: str, raw: Any, place: str | None) -> NoWorseThan:
    if isinstance(raw, str) and raw:
        return NoWorseThan(raw, place)
    if isinstance(raw, Mapping) and set(raw) <= {"alias", "margin"} and isinstance(raw.get("alias"), str):
        margin = raw.get("margin")
        if margin is None:
            return NoWorseThan(raw["alias"], place)
        if isinstance(margin, int | float) and not isinstance(margin, bool) and 0 <= margin < math.inf:
            return NoWorseThan(raw["alias"], place, float(margin))
        raise _invalid(key, margin, place, "margin is a number, 0 or more, in the metric's unit")
    raise _invalid(key, raw, place, 'write the name of an alias: no_worse_than = "production"')


def _within(key: str, raw: Any, place: str | None) -> Within:
    try:
        if key == "latency":
            return Within("latency", parse_duration(raw) * 1e3, place)
        return Within("size", parse_size(raw) / 1e6, place)
    except (DurationInvalid, SizeInvalid) as error:
        raise _invalid(key, raw, place, error.fix or "") from error


def subject(name: str, of: str) -> str:
    """What a rule compares: the metric, or an end of its interval."""
    return name if of == "value" else f"{name} ({of} end)"


def _bound(name: str, raw: Any, place: str | None) -> Bound:
    if isinstance(raw, str):
        match = _SHORT_FORM.fullmatch(raw)
        if not match:
            raise _invalid(name, raw, place, f'write it like {name} = ">= 0.60" or {name} = {{ min = 0.60 }}')
        limit = float(match[2]) / (100 if match[3] else 1)
        low, high = (limit, None) if match[1].startswith(">") else (None, limit)
        return Bound(name, low, high, exclusive=len(match[1]) == 1, where=place)
    if not isinstance(raw, Mapping):
        raise _invalid(name, raw, place, f'write it like {name} = ">= 0.60" or {name} = {{ min = 0.60 }}')
    unknown = sorted(set(raw) - {"min", "max", "of", "exclusive"})
    ends = [raw.get("min"), raw.get("max")]
    if unknown or all(end is None for end in ends):
        raise _invalid(name, dict(raw), place, "a rule has min or max, and may have of")
    for end in ends:
        if end is not None and (isinstance(end, bool) or not isinstance(end, int | float) or not math.isfinite(end)):
            raise _invalid(name, end, place, "min and max are numbers")
    of = raw.get("of", "value")
    if of not in _ENDS:
        raise _invalid(name, of, place, f"of is one of {', '.join(_ENDS)}")
    least: float | None = None if ends[0] is None else float(ends[0])
    most: float | None = None if ends[1] is None else float(ends[1])
    if least is not None and most is not None and least > most:
        raise _invalid(name, dict(raw), place, f"min {least:g} is above max {most:g}, so nothing could pass")
    return Bound(name, least, most, of, bool(raw.get("exclusive", False)), place)


def _invalid(key: str, raw: Any, place: str | None, fix: str) -> RuleInvalid:
    known = f"; known metrics are {', '.join(METRICS)}" if key not in METRICS else ""
    return RuleInvalid(f"{key} = {raw!r} is not a gate rule", where=place, fix=fix + known)
