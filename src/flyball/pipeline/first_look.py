"""A look at a table before there is a project to keep anything in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flyball.core.progress import Cancellation, Progress
from flyball.pipeline.examine import Examined, examine
from flyball.pipeline.read import read_tables
from flyball.pipeline.settings import LoopSettings
from flyball.pipeline.steps import StepRunner

__all__ = ["FirstLook", "look_at"]


@dataclass(frozen=True, slots=True)
class FirstLook:
    """A table as `init` sees it: its size and what was decided about it."""

    rows: int
    columns: int
    examined: Examined


class _Forgetful:
    """A step memory that keeps nothing."""

    def get(self, key: str) -> None:
        return None

    def put(self, key: str, name: str, outputs: dict[str, Any]) -> None:
        return None

    def forget(self, key: str) -> None:
        return None


def look_at(source: Path, settings: LoopSettings, *, progress: Progress, test: Path | None = None) -> FirstLook:
    """Read a table (and one of test rows) and decide what a run would decide.

    Raises BadInput for a table, target or choice that cannot be used.
    """
    progress.start("read")
    dataset = read_tables(source, settings, test=test, drop=())
    rows, columns = dataset.table.rows, len(dataset.table.schema)
    progress.finish("read", f"{rows:,} rows, {columns} columns")
    runner = StepRunner(_Forgetful(), progress, Cancellation(), "")
    return FirstLook(rows, columns, examine(dataset, settings, runner))
