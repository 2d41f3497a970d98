"""Requests put into a project's prediction log at chosen times, through the very path that serving takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from flyball.project import Project
from flyball.project.opening import open as open_project
from flyball.serving import Served
from support.tables import mixed_table

__all__ = ["NOON", "HandClock", "ask", "gapped", "open_at", "requests", "shifted"]

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


@dataclass
class HandClock:
    """A clock that stands still until it is set."""

    moment: datetime = field(default=NOON)

    def now(self) -> datetime:
        return self.moment

    def forward(self, **delta: float) -> None:
        self.moment += timedelta(**delta)


def open_at(folder: Path, moment: datetime = NOON) -> tuple[Project, HandClock]:
    """A project with a clock that tests turn by hand."""
    clock = HandClock(moment)
    return open_project(folder, clock=clock), clock


def requests(rows: int, *, seed: int) -> dict[str, list[Any]]:
    """New rows of the world that the standing projects were made in, by column."""
    return {name: values.to_list() for name, values in mixed_table(rows, seed=seed).drop("signal").to_dict().items()}


def ask(
    project: Project, columns: dict[str, Any], *, version: int | None = None, at: datetime | None = None
) -> list[str]:
    """Score rows and log them, all at one time (now); the ids of the predictions."""
    record = project.registry.resolve(f"plant@{version}" if version else "plant")
    personal = frozenset(project.registry.evidence(record)["data"]["personal"])
    served = Served(project.bundle(record), "plant", record.number, "production", personal)
    frame = pl.DataFrame(columns, strict=False)
    answer = served.answer(
        {
            name: frame[name].to_numpy() if frame[name].dtype.is_float() else frame[name].to_list()
            for name in frame.columns
        },
        HandClock(at) if at else project.clock,
    )
    with project.log() as log:
        log.append(answer.records)
    return [prediction.id for prediction in answer.records]


def shifted(columns: dict[str, Any], name: str, by: float) -> dict[str, Any]:
    """The same rows with a number moved."""
    return {**columns, name: [None if value is None else value + by for value in columns[name]]}


def gapped(columns: dict[str, Any], name: str, share: float) -> dict[str, Any]:
    """The same rows with a share of a column's values missing."""
    rng = np.random.default_rng(1)
    return {**columns, name: [None if rng.random() < share else value for value in columns[name]]}
