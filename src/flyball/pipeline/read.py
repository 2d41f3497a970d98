"""The first step: a source becomes an immutable dataset version."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flyball.core.canonical import digest_json
from flyball.core.counting import counted
from flyball.data import Table, content_digest, from_parquet, infer_contract, read_source, to_parquet_bytes
from flyball.pipeline.blobs import get_bytes, present, put_bytes
from flyball.pipeline.held_out import with_test
from flyball.pipeline.personal import contract_without_values, notes_without_values, seems_personal
from flyball.pipeline.plain import plain
from flyball.pipeline.related import Related, Widened, widen
from flyball.pipeline.settings import LoopSettings
from flyball.pipeline.steps import StepRunner
from flyball.store import ArtifactStore
from flyball_runtime.errors import BadInput, near_miss

__all__ = [
    "ColumnUnknown",
    "DatasetVersion",
    "check_columns",
    "digests_of",
    "load_table",
    "read_dataset",
    "read_tables",
]


class ColumnUnknown(BadInput):
    """A setting names a column that the table does not have."""

    code = "FB-PIPE-002"


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """A named table as it was: `version` is the digest of its content, `artifact` that of its Parquet form.

    The last `test_rows` rows are those of a test file of their own; 0 when there is none. `related` tells of the columns
    that were made from other tables, and from which; None when there are none.
    """

    name: str
    version: str
    artifact: str
    table: Table
    contract: Mapping[str, Any]
    notes: tuple[str, ...]
    test_rows: int = 0
    related: Mapping[str, Any] | None = None

    @property
    def made(self) -> dict[str, Mapping[str, Any]]:
        """The features made from related tables, by the column they stand in."""
        return {one["name"]: one for one in self.related["features"]} if self.related else {}

    def meta(self) -> dict[str, Any]:
        """What the registry keeps of it."""
        test = {"test_rows": self.test_rows} if self.test_rows else {}
        related = {"related": digests_of(self.related)} if self.related else {}
        return {"rows": self.table.rows, **test, **related}


def read_dataset(
    source: Any, settings: LoopSettings, *, test: Any = None, related: Related | None = None, drop: tuple[str, ...],
    runner: StepRunner, artifacts: ArtifactStore,
) -> DatasetVersion:  # fmt: skip
    """Read a file, a folder or a table in memory (and one of test rows); keep the content; infer its contract.

    With `related` tables, the columns that they give are made too. A file that did not change is not read again: its
    snapshot is. Raises what `read_source`, `with_test` and `widen` raise.
    """
    taken: list[Table] = []

    def work() -> dict[str, Any]:
        whole, beside = _read(source, settings, test=test, drop=drop, related=related)
        taken.append(whole.table)
        return {
            "related": None if beside is None else _kept(beside, artifacts),
            "version": whole.version,
            "artifact": put_bytes(artifacts, to_parquet_bytes(whole.table)),
            "contract": dict(whole.contract),
            "notes": list(whole.notes),
            "rows": whole.table.rows,
            "columns": len(whole.table.schema),
            "test_rows": whole.test_rows,
        }

    depends_on = {
        "source": fingerprint(source), "test": None if test is None else fingerprint(test), "drop": list(drop),
        **settings.key("personal", "public"),
        **({} if related is None else _of_related(related, settings)),
    }  # fmt: skip
    outputs = runner.run(
        "read", depends_on, work, note=lambda made: f"{counted(made['rows'], 'row')}, {counted(made['columns'], 'column')}",
        usable=lambda made: {"test_rows", "related"} <= set(made) and present(artifacts, _blobs(made)),
    )  # fmt: skip
    table = taken[0] if taken else load_table(artifacts, outputs["artifact"])
    return DatasetVersion(
        settings.dataset, outputs["version"], outputs["artifact"], table, outputs["contract"],
        tuple(outputs["notes"]), outputs["test_rows"], outputs["related"],
    )  # fmt: skip


def read_tables(
    source: Any, settings: LoopSettings, *, test: Any, drop: tuple[str, ...], related: Related | None = None
) -> DatasetVersion:
    """Read a table, and one of test rows behind it, without keeping anything; the contract is that of the first.

    Its contract and notes hold no value of a column that is, or seems, personal.
    """
    return _read(source, settings, test=test, drop=drop, related=related)[0]


def _read(
    source: Any, settings: LoopSettings, *, test: Any, drop: tuple[str, ...], related: Related | None
) -> tuple[DatasetVersion, Widened | None]:
    read = read_source(source, name=settings.dataset)
    check_columns("drop", drop, read.table, settings.place("data.drop"))
    table = read.table.drop(drop) if drop else read.table
    personal = seems_personal(table, settings.personal, settings.public)
    contract = contract_without_values(plain(infer_contract(table).to_dict()), personal)
    notes, version, rows = list(read.notes), content_digest(table), 0
    if test is not None:
        joined = with_test(table, test, settings, drop=drop)
        version = digest_json({"v": 1, "train": version, "test": joined.digest})
        table, rows = joined.table, joined.rows
        notes += joined.notes
    said = tuple(notes_without_values(notes, personal))
    whole = DatasetVersion(settings.dataset, version, "", table, contract, said, rows)
    if related is None:
        return whole, None
    wide = widen(table, settings, related, version)
    told = replace(
        whole, version=wide.version, table=wide.table, notes=(*said, *wide.notes), related=wide.document
    )  # fmt: skip
    return told, wide


def digests_of(related: Mapping[str, Any]) -> dict[str, str]:
    """The content of each related table, by its name."""
    return {name: one["digest"] for name, one in related["tables"].items() if one["digest"]}


def _kept(beside: Widened, artifacts: ArtifactStore) -> dict[str, Any]:
    """What is told of related tables, with the artifacts that keep them as they were."""
    tables = {
        name: {**one, "artifact": put_bytes(artifacts, to_parquet_bytes(beside.tables[name]))}
        for name, one in beside.document["tables"].items()
    }
    return {**beside.document, "tables": tables}


def _of_related(related: Related, settings: LoopSettings) -> dict[str, Any]:
    """What the made columns depend on beside the predicted table."""
    tables = {one.name: fingerprint(one.source) for one in related.tables}
    made = settings.key("dataset", "target", "known", "time", "drop", "missing")
    return {"related": {**related.said(), "sources": tables, **made}}


def _blobs(made: Mapping[str, Any]) -> list[str]:
    related = made["related"]
    return [made["artifact"], *([] if related is None else [one["artifact"] for one in related["tables"].values()])]


def check_columns(setting: str, names: Iterable[str | None], table: Table, place: str | None = None) -> None:
    """Raises ColumnUnknown unless the table has every column that a setting names; `place`: where it was written."""
    for name in names:
        if name is not None and name not in table:
            raise ColumnUnknown(
                f'{setting} names a column "{name}" that the table does not have',
                where=place,
                why=near_miss(name, table.names),
                fix="columns: " + ", ".join(f'"{known}"' for known in table.names[:20]),
            )


def load_table(artifacts: ArtifactStore, artifact: str) -> Table:
    """The table of a dataset version. Raises ArtifactMissing or ArtifactCorrupt."""
    return from_parquet(get_bytes(artifacts, artifact))


def fingerprint(source: Any) -> Any:
    """A JSON value that changes when the source's content does, or what is said of it: two tables may differ in nothing
    but a column that is left out."""
    if not isinstance(source, str | Path):
        read = read_source(source)
        return {"table": content_digest(read.table), "notes": list(read.notes)}
    path = Path(source)
    files = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
    return [[item.name, _file_digest(item)] for item in files if item.is_file()]


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
