"""What tracking answers with. Times are milliseconds since 1970 in UTC, as tracking clients send them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = [
    "ACTIVE",
    "DELETED",
    "DatasetInput",
    "Experiment",
    "FileEntry",
    "LoggedModel",
    "Metric",
    "ModelLink",
    "ModelMetric",
    "Page",
    "Run",
]

ACTIVE = "active"
DELETED = "deleted"


class Metric(NamedTuple):
    """One point of a metric. `value` may be NaN; infinities are kept as the largest finite values."""

    key: str
    value: float
    timestamp: int
    step: int


class ModelMetric(NamedTuple):
    """One point of a metric of a logged model, with the run that measured it and the data it was measured on."""

    key: str
    value: float
    timestamp: int
    step: int
    run: str
    dataset_name: str | None
    dataset_digest: str | None


class ModelLink(NamedTuple):
    """A logged model that a run read (`kind` "input") or made ("output") at `step`."""

    kind: str
    model: str
    step: int


class FileEntry(NamedTuple):
    """A file (`digest`, `size` in bytes) or a folder (digest None) by its name within the folder that was listed."""

    name: str
    digest: str | None
    size: int


@dataclass(frozen=True, slots=True)
class DatasetInput:
    """Data that a run read, as its client describes it; `tags` say how, `context` for example "training"."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Experiment:
    """A named group of runs. `location` is the URI under which the files of its runs lie."""

    id: int
    name: str
    location: str
    stage: str
    created: int
    updated: int
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """One execution. `metrics` holds the latest point of each; `status` is RUNNING, SCHEDULED, FINISHED, FAILED or KILLED."""

    number: int
    id: str
    experiment: int
    name: str
    user: str
    status: str
    stage: str
    location: str
    started: int
    ended: int | None
    metrics: tuple[Metric, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[DatasetInput, ...] = ()
    links: tuple[ModelLink, ...] = ()

    @classmethod
    def from_row(cls, row: Any, **belongs: Any) -> Run:
        """The run of a row of its table, and what belongs to it."""
        return cls(
            row.number, row.id, row.experiment, row.name, row.user, row.status, row.stage, row.location, row.started,
            row.ended, **belongs,
        )  # fmt: skip

    @property
    def parent(self) -> str | None:
        """The run that this one is nested in."""
        return self.tags.get("mlflow.parentRunId")

    def to_dict(self) -> dict[str, Any]:
        """The run as JSON; metrics that are not a number are null."""
        return {
            "id": self.id,
            "experiment": self.experiment,
            "name": self.name,
            "user": self.user,
            "status": self.status,
            "stage": self.stage,
            "parent": self.parent,
            "started": self.started,
            "ended": self.ended,
            "metrics": {metric.key: metric.value for metric in self.metrics},
            "params": dict(self.params),
            "tags": dict(self.tags),
            "inputs": [{"name": one.name, "digest": one.digest, "tags": dict(one.tags)} for one in self.inputs],
            "models": [link._asdict() for link in self.links],
        }


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """A model that a run logged: its files lie under `location`. `status`: 1 pending, 2 ready, 3 failed."""

    number: int
    id: str
    experiment: int
    name: str
    type: str
    run: str
    status: int
    stage: str
    location: str
    created: int
    updated: int
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[ModelMetric, ...] = ()

    @classmethod
    def from_row(cls, row: Any, **belongs: Any) -> LoggedModel:
        """The model of a row of its table, and what belongs to it."""
        return cls(
            row.number, row.id, row.experiment, row.name, row.type, row.run, row.status, row.stage, row.location,
            row.created, row.updated, **belongs,
        )  # fmt: skip


class Page(NamedTuple):
    """Part of a list, and where the next part begins (None: there is none)."""

    items: list[Any]
    next: int | None
