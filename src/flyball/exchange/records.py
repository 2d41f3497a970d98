"""What a store of MLflow's holds, as its readers give it. Times are milliseconds since 1970 in UTC; absent ones are None."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from flyball.tracking import DatasetInput, ModelLink, ModelMetric

__all__ = [
    "Counts", "Point", "Source", "SourceExperiment", "SourceModel", "SourceRegistered", "SourceRun", "SourceVersion",
    "mark_of",
]  # fmt: skip


class Point(NamedTuple):
    """One point of a metric as the tables hold it: `value` is finite, 0 where `nan` is 1."""

    key: str
    timestamp: int
    step: int
    value: float
    nan: int


class Counts(NamedTuple):
    """How much a store holds; deleted experiments and runs are counted."""

    experiments: int
    runs: int
    points: int
    models: int
    registered: int
    versions: int


@dataclass(frozen=True, slots=True)
class SourceExperiment:
    """An experiment; `stage` is "active" or "deleted"."""

    id: str
    name: str
    location: str
    stage: str
    created: int | None
    updated: int | None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What it is known by in later imports, wherever the store lies then."""
        return f"{self.id}:{self.created or self.name}"


@dataclass(frozen=True, slots=True)
class SourceRun:
    """A run with all that belongs to it. `uri`: where its files lie."""

    id: str
    experiment: str
    name: str
    user: str
    status: str
    stage: str
    uri: str
    started: int
    ended: int | None
    deleted: int | None
    params: Mapping[str, str]
    tags: Mapping[str, str]
    points: Sequence[Point]
    inputs: Sequence[DatasetInput]
    links: Sequence[ModelLink]


@dataclass(frozen=True, slots=True)
class SourceModel:
    """A logged model; `status`: 1 pending, 2 ready, 3 failed."""

    id: str
    experiment: str
    name: str
    type: str
    run: str
    status: int
    stage: str
    uri: str
    created: int
    updated: int
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Sequence[ModelMetric]


@dataclass(frozen=True, slots=True)
class SourceVersion:
    """A version of a registered model that was not deleted; `storage`: where its files lie, if `source` does not say."""

    number: int
    created: int
    updated: int
    description: str
    user: str
    stage: str
    source: str
    storage: str
    run: str
    run_link: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SourceRegistered:
    """A registered model; `versions` ascend, `aliases` name one of them each."""

    name: str
    workspace: str
    created: int
    updated: int
    description: str
    tags: Mapping[str, str]
    aliases: Mapping[str, int]
    versions: Sequence[SourceVersion]

    @property
    def key(self) -> str:
        """What it is known by in later imports."""
        return f"{self.workspace}/{self.name}:{self.created}"


class Source(Protocol):
    """A store of MLflow's at one instant. One thread at a time; nothing of it is changed.

    `location` names it without a password, `revision` its layout. Methods raise SourceDamaged for a part that
    contradicts another one or was written halfway.
    """

    location: str
    revision: str

    def counts(self) -> Counts:
        """How much there is."""

    def experiments(self) -> list[SourceExperiment]:
        """Every experiment, by id."""

    def run_pages(self, size: int) -> Iterator[list[SourceRun]]:
        """Every run, at most `size` at a time."""

    def model_pages(self, size: int) -> Iterator[list[SourceModel]]:
        """Every logged model, at most `size` at a time."""

    def registered(self) -> list[SourceRegistered]:
        """Every registered model, by name."""

    def close(self) -> None:
        """Let go of it."""


def mark_of(*values: Any) -> str:
    """Forty hexadecimal digits that tell whether something changed since it was imported.

    >>> mark_of(1, {"a": "b"}) == mark_of(1, {"a": "b"}), len(mark_of(2))
    (True, 40)
    """
    return hashlib.sha256(repr(values).encode("utf-8", "surrogatepass")).hexdigest()[:40]
