"""Tables as Parquet bytes and back, exactly: the form in which dataset versions are kept."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.data.sources.staging import SourceDamaged, Staging, staging, texts_of
from flyball.data.table import Table
from flyball_runtime.schema import MISSING_TIME, Field, Schema, missing_mask

__all__ = ["from_parquet", "to_parquet_bytes"]

_KEY = "flyball_schema"
_LARGEST_MOMENT = 2**62
_BATCH = 200  # each query reads the description of every column of the file, so few queries are wanted


def to_parquet_bytes(table: Table) -> bytes:
    """The table as one Parquet file (zstd), its schema kept in the file's metadata.

    Any Parquet reader sees plain columns. The bytes may differ between versions of DuckDB: `content_digest` is what
    addresses a table.
    """
    import duckdb

    with tempfile.TemporaryDirectory(prefix="flyball-parquet-") as folder:
        target = Path(folder) / "table.parquet"
        connection = duckdb.connect(
            ":memory:", config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
        )
        try:
            _copy(connection, table, target)
        finally:
            connection.close()
        return target.read_bytes()


def from_parquet(data: bytes) -> Table:
    """The table that `to_parquet_bytes` wrote. Raises SourceDamaged when the bytes are not such a file."""
    with tempfile.TemporaryDirectory(prefix="flyball-parquet-") as folder:
        file = Path(folder) / "table.parquet"
        file.write_bytes(data)
        with staging([file], ".parquet") as stage:
            link = _literal(str(stage.links[0]))
            kept = stage.rows(f"SELECT value FROM parquet_kv_metadata({link}) WHERE key = '{_KEY}'")  # noqa: S608
            if not kept:
                raise SourceDamaged(
                    "this Parquet file is not a stored dataset version",
                    why="it carries no Flyball schema",
                    fix="read it as a data source instead",
                )
            schema = Schema.from_list(json.loads(bytes(kept[0][0])))
            return _read(stage, link, schema)


def _copy(connection: Any, table: Table, target: Path) -> None:
    source = {f"c{index}": table.columns[field.name] for index, field in enumerate(table.schema)}
    connection.register("source", source)
    parts = ", ".join(
        f"{_stored(field, index, table)} AS {_identifier(field.name)}" for index, field in enumerate(table.schema)
    )
    schema = json.dumps(table.schema.to_list(), ensure_ascii=True)
    connection.execute(
        f"COPY (SELECT {parts} FROM source) TO {_literal(str(target))}"  # noqa: S608
        f" (FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{_KEY}: {_literal(schema)}}})"
    )
    connection.unregister("source")


def _stored(field: Field, index: int, table: Table) -> str:
    """What a column is stored as: its natural Parquet type wherever that holds every value."""
    column = f"c{index}"
    if field.kind == "number":
        return f"CAST({column} AS DOUBLE)"
    if field.kind == "text":
        return f"CAST({column} AS VARCHAR)"
    present = table.columns[field.name][~missing_mask(table.columns[field.name], "time")]
    known = f"CASE WHEN {column} <> {MISSING_TIME} THEN CAST({column} AS BIGINT) END"
    return known if len(present) and np.abs(present).max() > _LARGEST_MOMENT else f"make_timestamp({known})"


def _read(stage: Staging, link: str, schema: Schema) -> Table:
    aliases = ", ".join(f"c{index}" for index in range(len(schema)))
    stage.rows(f"CREATE TEMP VIEW raw AS SELECT * FROM read_parquet({link}) AS part({aliases})")  # noqa: S608
    types = [str(row[1]) for row in stage.rows("DESCRIBE raw")]
    light = [index for index, field in enumerate(schema) if field.kind != "text"]
    texts = [[index] for index, field in enumerate(schema) if field.kind == "text"]  # alone, as they are large
    columns: dict[str, NDArray[Any]] = {}
    for batch in [*(light[begin : begin + _BATCH] for begin in range(0, len(light), _BATCH)), *texts]:
        parts = [f"epoch_us(c{index}) AS c{index}" if types[index] == "TIMESTAMP" else f"c{index}" for index in batch]
        arrays = stage.arrays(f"SELECT {', '.join(parts)} FROM raw")  # noqa: S608
        for index in batch:
            field = schema.fields[index]
            columns[field.name] = _normalised(arrays.pop(f"c{index}"), field)
    return Table(schema, columns)


def _normalised(values: Any, field: Field) -> NDArray[Any]:
    if field.kind == "number":
        return np.asarray(np.ma.filled(np.ma.asarray(values, dtype=np.float64), np.nan))
    if field.kind == "time":
        return np.asarray(np.ma.filled(np.ma.asarray(values, dtype=np.int64), MISSING_TIME))
    return texts_of(values)


def _identifier(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def _literal(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"
