"""What the calls of the protocol work on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from flyball.mlflow.call import Call
from flyball.mlflow.catalog import Catalog
from flyball.store import Database, Write
from flyball.tracking import Tracking

if TYPE_CHECKING:
    from flyball.project import Project

__all__ = ["Change", "Handler", "Planner", "Route", "Service"]


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of one project. Threads may share it."""

    tracking: Tracking
    catalog: Catalog
    database: Database

    @classmethod
    def of(cls, project: Project) -> Service:
        """The service of an open project."""
        return cls(project.tracking, Catalog(project), project.database)


# What a handler answers: fields, or JSON text that it wrote itself because there is much of it.
Handler: TypeAlias = Callable[[Service, Call], dict[str, Any] | bytes]
Route: TypeAlias = tuple[str, str, Handler]


class Change(NamedTuple):
    """What a call writes, and what it answers of what the write returned."""

    write: Write[Any]
    answer: Callable[[Any], dict[str, Any]]


# A call that trainings make all the time: it reads its fields only, and the app makes the change with those of others.
Planner: TypeAlias = Callable[[Service, Call], Change]
