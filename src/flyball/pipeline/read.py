"""The first step: a source becomes an immutable dataset version."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flyball.data import Table, content_digest, from_parquet, infer_contract, read_source, to_parquet_bytes
from flyball.pipeline.blobs import get_bytes, present, put_bytes
from flyball.pipeline.plain import plain
from flyball.pipeline.steps import StepRunner
from flyball.store import ArtifactStore
from flyball_runtime.errors import BadInput, near_miss

__all__ = ["ColumnUnknown", "DatasetVersion", "check_columns", "load_table", "read_dataset"]


class ColumnUnknown(BadInput):
    """A setting names a column that the table does not have."""

    code = "FB-PIPE-002"


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """A named table as it was: `version` is the digest of its content, `artifact` that of its Parquet form."""

    name: str
    version: str
    artifact: str
    table: Table
    contract: Mapping[str, Any]
    notes: tuple[str, ...]


def read_dataset(
    source: Any, name: str, *, drop: tuple[str, ...], runner: StepRunner, artifacts: ArtifactStore
) -> DatasetVersion:
    """Read a file, a folder or a table in memory; keep its content; infer its contract.

    A file that did not change is not read again: its snapshot is. Raises what `read_source` raises.
    """
    taken: list[Table] = []

    def work() -> dict[str, Any]:
        read = read_source(source, name=name)
        check_columns("drop", drop, read.table)
        table = read.table.drop(drop) if drop else read.table
        taken.append(table)
        return {
            "version": content_digest(table),
            "artifact": put_bytes(artifacts, to_parquet_bytes(table)),
            "contract": plain(infer_contract(table).to_dict()),
            "notes": list(read.notes),
            "rows": table.rows,
            "columns": len(table.schema),
        }

    depends_on = {"source": fingerprint(source), "drop": list(drop)}
    outputs = runner.run(
        "read", depends_on, work, note=lambda made: f"{made['rows']:,} rows, {made['columns']} columns",
        usable=lambda made: present(artifacts, [made["artifact"]]),
    )  # fmt: skip
    table = taken[0] if taken else load_table(artifacts, outputs["artifact"])
    return DatasetVersion(
        name, outputs["version"], outputs["artifact"], table, outputs["contract"], tuple(outputs["notes"])
    )


def check_columns(setting: str, names: Iterable[str | None], table: Table) -> None:
    """Raises ColumnUnknown unless the table has every column that a setting names."""
    for name in names:
        if name is not None and name not in table:
            raise ColumnUnknown(
                f'{setting} names a column "{name}" that the table does not have',
                why=near_miss(name, table.names),
                fix="columns: " + ", ".join(f'"{known}"' for known in table.names[:20]),
            )


def load_table(artifacts: ArtifactStore, artifact: str) -> Table:
    """The table of a dataset version. Raises ArtifactMissing or ArtifactCorrupt."""
    return from_parquet(get_bytes(artifacts, artifact))


def fingerprint(source: Any) -> Any:
    """A JSON value that changes when the source's content does."""
    if not isinstance(source, str | Path):
        return {"table": content_digest(read_source(source).table)}
    path = Path(source)
    files = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
    return [[item.name, _file_digest(item)] for item in files if item.is_file()]


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
