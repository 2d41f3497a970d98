"""A look at a table before there is a project to keep anything in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flyball.core.counting import counted
from flyball.core.progress import Cancellation, Progress
from flyball.pipeline.examine import Examined, examine
from flyball.pipeline.read import read_tables
from flyball.pipeline.related import Related
from flyball.pipeline.settings import LoopSettings
from flyball.pipeline.steps import StepRunner

__all__ = ["FirstLook", "look_at"]


@dataclass(frozen=True, slots=True)
class FirstLook:
    """A table as `init` sees it: its size, what was decided about it, and what was made of the tables beside it."""

    rows: int
    columns: int
    examined: Examined
    related: Mapping[str, Any] | None = None


class _Forgetful:
    """A step memory that keeps nothing."""

    def get(self, key: str) -> None:
        return None

    def put(self, key: str, name: str, outputs: dict[str, Any]) -> None:
        return None

    def forget(self, key: str) -> None:
        return None


def look_at(
    source: Path,
    settings: LoopSettings,
    *,
    progress: Progress,
    test: Path | None = None,
    related: Related | None = None,
) -> FirstLook:
    """Read a table (one of test rows, related ones) and decide what a run would decide.

    A time that is found to order the rows of the predicted table among the related ones counts as declared.

    Raises BadInput for a table, target or choice that cannot be used.
    """
    progress.start("read")
    dataset = read_tables(source, settings, test=test, drop=(), related=related)
    rows, columns = dataset.table.rows, len(dataset.table.schema) - len(dataset.made)
    if dataset.related is not None and settings.time is None:
        settings = replace(settings, time=dataset.related["relations"][settings.dataset]["time"])
    progress.finish("read", f"{counted(rows, 'row')}, {counted(columns, 'column')}")
    runner = StepRunner(_Forgetful(), progress, Cancellation(), "")
    return FirstLook(rows, columns, examine(dataset, settings, runner), dataset.related)
