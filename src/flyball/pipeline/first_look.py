"""A look at a table before there is a project to keep anything in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flyball.core.progress import Cancellation, Progress
from flyball.data import infer_contract, read_source
from flyball.pipeline.examine import Examined, examine
from flyball.pipeline.read import DatasetVersion
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


def look_at(source: Path, settings: LoopSettings, *, progress: Progress) -> FirstLook:
    """Read a table and decide what a run would decide. Raises BadInput for a table or target that cannot be used."""
    progress.start("read")
    read = read_source(source, name=settings.dataset)
    progress.finish("read", f"{read.table.rows:,} rows, {len(read.table.schema)} columns")
    # The content digest matters to steps that are kept; none is kept here.
    dataset = DatasetVersion(
        settings.dataset, "", "", read.table, infer_contract(read.table).to_dict(), tuple(read.notes)
    )
    runner = StepRunner(_Forgetful(), progress, Cancellation(), "")
    return FirstLook(read.table.rows, len(read.table.schema), examine(dataset, settings, runner))
