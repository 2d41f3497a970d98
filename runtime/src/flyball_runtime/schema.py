"""What a table's columns are: the one description shared by training, serving and devices.

Every raw column belongs to one of three kinds, each with one array form and one form of "missing":

| kind   | array                                   | missing            |
|--------|-----------------------------------------|--------------------|
| number | float64                                 | NaN                |
| time   | int64, microseconds since 1970 in UTC   | `MISSING_TIME`     |
| text   | object, of str                          | None               |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from dataclasses import field as dataclass_field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

__all__ = ["KINDS", "MISSING_TIME", "Field", "Kind", "Schema", "missing_mask"]

Kind = Literal["number", "time", "text"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MISSING_TIME = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Field:
    """One column: its name, kind, the source's own type (`logical`, such as "boolean" or "integer") and unit."""

    name: str
    kind: Kind
    logical: str = ""
    unit: str | None = None

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Field:
        return cls(name=raw["name"], kind=raw["kind"], logical=raw.get("logical", ""), unit=raw.get("unit"))


@dataclass(frozen=True, slots=True)
class Schema:
    """The ordered columns of a table. Names are unique."""

    fields: tuple[Field, ...]
    _by_name: Mapping[str, Field] = dataclass_field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {field.name: field for field in self.fields})

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)

    def of_kind(self, kind: Kind) -> tuple[str, ...]:
        """Names of the columns of one kind, in schema order."""
        return tuple(field.name for field in self.fields if field.kind == kind)

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Field:
        return self._by_name[name]

    def select(self, names: list[str] | tuple[str, ...]) -> Schema:
        """The schema of these columns, in the order given."""
        return Schema(tuple(self[name] for name in names))

    def to_list(self) -> list[dict[str, Any]]:
        return [asdict(field) for field in self.fields]

    @classmethod
    def from_list(cls, raw: list[dict[str, Any]]) -> Schema:
        return cls(tuple(Field.from_dict(item) for item in raw))


def missing_mask(values: NDArray[Any], kind: Kind) -> NDArray[np.bool_]:
    """Which cells of a normalised column are missing: (rows,) -> (rows,)."""
    if kind == "number":
        return np.asarray(np.isnan(values), dtype=np.bool_)
    if kind == "time":
        return np.asarray(values == MISSING_TIME, dtype=np.bool_)
    return np.fromiter((value is None for value in values), dtype=np.bool_, count=len(values))
