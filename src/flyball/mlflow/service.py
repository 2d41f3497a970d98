"""What the calls of the protocol work on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from flyball.mlflow.call import Call
from flyball.mlflow.catalog import Catalog
from flyball.tracking import Tracking

if TYPE_CHECKING:
    from flyball.project import Project

__all__ = ["Handler", "Route", "Service"]


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of one project. Threads may share it."""

    tracking: Tracking
    catalog: Catalog

    @classmethod
    def of(cls, project: Project) -> Service:
        """The service of an open project."""
        return cls(project.tracking, Catalog(project))


# What a handler answers: fields, or JSON text that it wrote itself because there is much of it.
Handler: TypeAlias = Callable[[Service, Call], dict[str, Any] | bytes]
Route: TypeAlias = tuple[str, str, Handler]
