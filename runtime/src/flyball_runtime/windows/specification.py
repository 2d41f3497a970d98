"""What is computed of a row's past: entity, order, and one declared feature after another."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

from flyball_runtime.errors import BadInput, near_miss
from flyball_runtime.schema import Field, Schema

__all__ = ["AGGREGATES", "Aggregate", "Condition", "WindowFeature", "WindowSpec", "WindowsInvalid"]

Aggregate = Literal[
    "mean", "std", "min", "max", "slope", "ewm", "count", "since_change", "since_event", "lag", "difference"
]
AGGREGATES: tuple[Aggregate, ...] = get_args(Aggregate)
Operator = Literal["==", "!=", "<", "<=", ">", ">="]
_OPERATORS: tuple[Operator, ...] = get_args(Operator)
_OVER_WINDOWS = ("mean", "std", "min", "max", "slope", "ewm", "count")
_FORMAT = 1
_MOST_ROWS = 10_000  # of one window: what is carried for each entity stays bounded
_MOST_FEATURES = 5_000
_DEFAULT_CAP = 1_024


class WindowsInvalid(BadInput):
    """A window specification asks for something that is not there, or that has no meaning."""

    code = "FB-WINDOW-001"


@dataclass(frozen=True, slots=True)
class Condition:
    """A row counts when its `column` compares so to `value`; a row with the column missing never does."""

    column: str
    operator: Operator
    value: float | str

    def to_dict(self) -> dict[str, Any]:
        return {"column": self.column, "operator": self.operator, "value": self.value}

    def __str__(self) -> str:
        return f"{self.column} {self.operator} {self.value:g}" if _is_number(self.value) else (
            f"{self.column} {self.operator} {self.value}"
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class WindowFeature:
    """One number about a row and the rows of its entity before it.

    mean, std (n - 1), min, max, slope (least squares, a unit of the order), ewm and count go over the values that are
    known in a window: the last `rows` rows, the row itself among them, or the rows of the last `duration` (seconds where
    the order is a time, else its own unit), and of these the last `rows`. `lag` moves the window that many rows back.
    ewm weighs each row `decay` times the one after it. lag is the value `lag` rows back, difference the row's own value
    less that one. since_change is the order's distance to where the column's known value last became another, since_event
    the one to the last row that `where` holds for. `where` hides a column's value in all other rows.
    """

    column: str | None
    aggregate: Aggregate
    rows: int = 0
    duration: float | None = None
    lag: int = 0
    decay: float | None = None
    where: Condition | None = None

    @property
    def over_window(self) -> bool:
        return self.aggregate in _OVER_WINDOWS

    @property
    def reach(self) -> int:
        """How many rows back the oldest one lies that the feature may need."""
        return self.lag + (max(self.rows, 1) - 1 if self.over_window else 0)

    @property
    def name(self) -> str:
        """Such as "s2: mean of 30 rows", "s2: max of 3600, 5 rows before" or "s2: 1 row before"."""
        condition = f" where {self.where}" if self.where is not None else ""
        if self.aggregate == "since_event":
            return f"since{condition}"
        head = f"{self.column}: "
        if self.aggregate == "since_change":
            return f"{head}since it changed{condition}"
        back = f"{self.lag} row{'s' * (self.lag != 1)} before"
        if self.aggregate == "lag":
            return f"{head}{back}{condition}"
        if self.aggregate == "difference":
            return f"{head}change from {back}{condition}"
        span = f"{self.rows} rows" if self.duration is None else f"{self.duration:g}"
        if self.duration is not None and self.rows != _DEFAULT_CAP:
            span += f" within {self.rows} rows"
        if self.decay is not None:
            span += f" by {self.decay:.4g}"
        return f"{head}{self.aggregate} of {span}" + (f", {back}" if self.lag else "") + condition

    def to_dict(self) -> dict[str, Any]:
        """Only what is set."""
        made: dict[str, Any] = {"aggregate": self.aggregate}
        for key in ("column", "rows", "duration", "lag", "decay"):
            value = getattr(self, key)
            if value not in (None, 0):
                made[key] = value
        if self.where is not None:
            made["where"] = self.where.to_dict()
        return made

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any], *, where: str | None = None) -> WindowFeature:
        """One feature from JSON or TOML values, checked. `halflife` (rows) may stand for `decay`. Raises WindowsInvalid."""
        if not isinstance(raw, Mapping):
            raise _invalid("a window feature must be a table of keys", raw, where)
        known = {"column", "aggregate", "rows", "duration", "lag", "decay", "halflife", "where"}
        for key in raw:
            if key not in known:
                raise WindowsInvalid(
                    f'a window feature has no key "{key}"', where=where,
                    fix=near_miss(key, known) or "its keys are: " + ", ".join(sorted(known)),
                )  # fmt: skip
        aggregate = raw.get("aggregate")
        if aggregate not in AGGREGATES:
            raise WindowsInvalid(
                f"there is no aggregate {aggregate!r}", where=where,
                fix=near_miss(str(aggregate), AGGREGATES) or "choose one of: " + ", ".join(AGGREGATES),
            )  # fmt: skip
        made = cls(
            column=_column(raw.get("column"), aggregate, where),
            aggregate=aggregate,
            rows=_whole(raw.get("rows", 0), "rows", _MOST_ROWS, where),
            duration=_positive(raw.get("duration"), "duration", where),
            lag=_whole(raw.get("lag", 0), "lag", _MOST_ROWS, where),
            decay=_decay(raw, where),
            where=_condition(raw.get("where"), where),
        )
        return _completed(made, where)


@dataclass(frozen=True)
class WindowSpec:
    """The window features of one model. `entity`: the column that names whose past it is (None: all rows share one).

    `order`: the column of moments or numbers that orders an entity's rows (None: the order in which they come). `schema`
    describes the raw columns that are read; equal specifications compute equal bits everywhere.

    >>> spec = WindowSpec.from_dict({"entity": "unit", "features": [{"column": "s2", "aggregate": "mean", "rows": 3}]},
    ...                             Schema((Field("unit", "number"), Field("s2", "number"))))
    >>> spec.names
    ('s2: mean of 3 rows',)
    """

    entity: str | None
    order: str | None
    features: tuple[WindowFeature, ...]
    schema: Schema = field(repr=False)

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    @cached_property
    def reach(self) -> int:
        """How many rows are carried for each entity."""
        return 1 + max((feature.reach for feature in self.features), default=0)

    @property
    def fields(self) -> tuple[Field, ...]:
        """The features as number columns, in their order."""
        return tuple(Field(name, "number") for name in self.names)

    @property
    def per_second(self) -> float:
        """How many units of the order make the unit that durations and slopes are told in."""
        return 1e6 if self.order is not None and self.schema[self.order].kind == "time" else 1.0

    def only(self, names: tuple[str, ...] | list[str] | set[str]) -> WindowSpec:
        """The same with these features alone, in the order they have here."""
        kept = tuple(feature for feature in self.features if feature.name in names)
        return WindowSpec(self.entity, self.order, kept, _read_by(self.entity, self.order, kept, self.schema))

    def to_dict(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "entity": self.entity,
            "order": self.order,
            "features": [feature.to_dict() for feature in self.features],
            "columns": self.schema.to_list(),
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of what is computed."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def from_dict(cls, raw: Any, schema: Schema | None = None, *, where: str | None = None) -> WindowSpec:
        """A specification from JSON or TOML values. schema: the columns there are; None reads them from `columns`.

        Raises WindowsInvalid, also for a later format.
        """
        if not isinstance(raw, Mapping) or not isinstance(raw.get("features"), list):
            raise _invalid("window features are a list of tables", raw, where)
        if raw.get("format", _FORMAT) != _FORMAT:
            raise _invalid(f"the window specification is of another format than {_FORMAT}", raw.get("format"), where)
        if len(raw["features"]) > _MOST_FEATURES:
            raise _invalid(f"at most {_MOST_FEATURES:,} window features are computed", len(raw["features"]), where)
        if schema is None:
            try:
                schema = Schema.from_list(raw["columns"])
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise _invalid("the window specification does not tell its columns", repr(error), where) from error
        features = tuple(WindowFeature.from_dict(item, where=where) for item in raw["features"])
        entity, order = raw.get("entity"), raw.get("order")
        if not isinstance(entity, str | None) or not isinstance(order, str | None):
            raise _invalid("entity and order each name a column", [entity, order], where)
        made = cls(entity, order, features, _read_by(entity, order, features, schema, where))
        _check(made, where)
        return made


def _completed(made: WindowFeature, where: str | None) -> WindowFeature:
    """The feature with its defaults. Raises WindowsInvalid for keys that do not fit together."""
    aggregate = made.aggregate
    if made.over_window:
        rows = made.rows or (_DEFAULT_CAP if made.duration is not None else 0)
        least = {"std": 2, "slope": 2}.get(aggregate, 1)
        if rows < least:
            raise WindowsInvalid(
                f'"{aggregate}" needs a window of {least} or more rows, or a duration', where=where,
                why=f"rows is {made.rows}", fix="give the window: rows = 30, or duration = 3600",
            )  # fmt: skip
        decay = made.decay
        if aggregate == "ewm" and decay is None:
            decay = 2.0 ** (-4.0 / rows)  # the oldest row of the window weighs a sixteenth
        return WindowFeature(made.column, aggregate, rows, made.duration, made.lag, decay, made.where)
    if made.rows or made.duration is not None or made.decay is not None:
        raise WindowsInvalid(
            f'"{aggregate}" has no window', where=where, why="rows, duration and decay are for windows",
            fix="leave them out" + ("; lag says how many rows back" if aggregate in ("lag", "difference") else ""),
        )  # fmt: skip
    if aggregate in ("lag", "difference"):
        return WindowFeature(made.column, aggregate, lag=made.lag or 1, where=made.where)
    if made.lag:
        raise WindowsInvalid(f'"{aggregate}" has no lag', where=where, fix="leave lag out")
    if aggregate == "since_event" and made.where is None:
        raise WindowsInvalid(
            "an event needs its condition",
            where=where,
            fix='say which rows are events: where = {column = "alarm", value = 1}',
        )
    return made


def _check(spec: WindowSpec, where: str | None) -> None:
    if not spec.features:
        raise _invalid("a window specification without features computes nothing", [], where)
    if len(set(spec.names)) != len(spec.names):
        twice = next(name for name in spec.names if spec.names.count(name) > 1)
        raise WindowsInvalid(f'the feature "{twice}" is asked for twice', where=where, fix="leave one of them out")
    if spec.entity is not None and spec.schema[spec.entity].kind == "time":
        raise _invalid(f'"{spec.entity}" holds times and cannot name an entity', spec.entity, where)
    if spec.order is not None and spec.schema[spec.order].kind == "text":
        raise WindowsInvalid(
            f'"{spec.order}" holds text, which has no order in time', where=where,
            fix="name a column of times or numbers, or leave order out: rows then count in the order they come",
        )  # fmt: skip
    if spec.order is not None and spec.order == spec.entity:
        raise _invalid("the entity cannot be the order too", spec.order, where)
    for feature in spec.features:
        if feature.duration is not None and spec.order is None:
            raise WindowsInvalid(
                "a duration needs an order", where=where, why=f'"{feature.name}"',
                fix="name the column that tells the time, or give the window in rows",
            )  # fmt: skip
        _check_columns(feature, spec.schema, where)


def _check_columns(feature: WindowFeature, schema: Schema, where: str | None) -> None:
    numeric = feature.aggregate not in ("count", "since_change", "since_event")
    if numeric and feature.column is not None and schema[feature.column].kind != "number":
        raise WindowsInvalid(
            f'"{feature.column}" holds no numbers', where=where, why=f"{feature.aggregate} is of numbers",
            fix="count and since_change work for any column",
        )  # fmt: skip
    if feature.where is None:
        return
    text = schema[feature.where.column].kind == "text"
    if text != isinstance(feature.where.value, str) or (text and feature.where.operator not in ("==", "!=")):
        raise WindowsInvalid(
            f'the condition "{feature.where}" does not fit its column', where=where,
            why="text is compared with text by == or !=, numbers with numbers", fix="mend the condition",
        )  # fmt: skip


def _read_by(
    entity: str | None, order: str | None, features: tuple[WindowFeature, ...], schema: Schema, where: str | None = None
) -> Schema:
    """The columns that are read, in the schema's order. Raises WindowsInvalid for one that is not there."""
    wanted = {name for name in (entity, order) if name is not None}
    wanted |= {feature.column for feature in features if feature.column is not None}
    wanted |= {feature.where.column for feature in features if feature.where is not None}
    for name in sorted(map(str, wanted)):
        if name not in schema:
            raise WindowsInvalid(
                f'there is no column "{name}" to make window features of', where=where,
                fix=near_miss(name, schema.names) or "give a column's name as it stands in the header",
            )  # fmt: skip
    return schema.select([name for name in schema.names if name in wanted])


def _column(value: Any, aggregate: Aggregate, where: str | None) -> str | None:
    if aggregate == "since_event":
        if value is not None:
            raise _invalid("an event has a condition and no column", value, where)
        return None
    if not isinstance(value, str) or not value:
        raise _invalid(f'"{aggregate}" needs a column', value, where)
    return value


def _condition(raw: Any, where: str | None) -> Condition | None:
    if raw is None:
        return None
    if (
        not isinstance(raw, Mapping)
        or not isinstance(raw.get("column"), str)
        or set(raw) - {"column", "operator", "value"}
    ):
        raise _invalid("a condition has column, operator and value", raw, where)
    operator, value = raw.get("operator", "=="), raw.get("value")
    if operator not in _OPERATORS:
        raise _invalid("the operator must be one of " + " ".join(_OPERATORS), operator, where)
    if isinstance(value, str):
        return Condition(raw["column"], operator, value)
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise _invalid("a condition compares with a number or a text", value, where)
    return Condition(raw["column"], operator, float(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: Any, key: str, most: int, where: str | None) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise _invalid(f"{key} must be a whole number up to {most:,}", value, where)
    return value


def _positive(value: Any, key: str, where: str | None) -> float | None:
    if value is None:
        return None
    if not _is_number(value) or not math.isfinite(value) or value <= 0:
        raise _invalid(f"{key} must be a number above 0", value, where)
    return float(value)


def _decay(raw: Mapping[str, Any], where: str | None) -> float | None:
    decay, halflife = raw.get("decay"), _positive(raw.get("halflife"), "halflife", where)
    if raw["aggregate"] != "ewm":
        if decay is not None or halflife is not None:
            raise _invalid(f'"{raw["aggregate"]}" does not decay', decay or halflife, where)
        return None
    if halflife is not None:
        decay = 2.0 ** (-1.0 / halflife)
    if decay is not None and not (_is_number(decay) and 0 < decay < 1):
        raise _invalid("decay must be a number between 0 and 1", decay, where)
    return None if decay is None else float(decay)


def _invalid(what: str, value: Any, where: str | None) -> WindowsInvalid:
    shown = repr(value)
    return WindowsInvalid(what, where=where, why=shown if len(shown) <= 80 else shown[:77] + "...",
                          fix="see the reference of window features")  # fmt: skip
