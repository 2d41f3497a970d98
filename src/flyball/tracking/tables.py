"""The tables of tracking: ordinary rows, not governed. Children of a run name it by its number, not by its long id."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, Table, Text, text

__all__ = [
    "METADATA",
    "datasets",
    "experiment_tags",
    "experiments",
    "files",
    "inputs",
    "latest",
    "links",
    "metrics",
    "model_metrics",
    "model_params",
    "model_tags",
    "models",
    "params",
    "registered",
    "registered_tags",
    "registered_versions",
    "runs",
    "tags",
    "version_tags",
]

METADATA = MetaData()
# SQLite numbers rows by itself only for INTEGER, which holds 64 bits there.
_Number = BigInteger().with_variant(Integer, "sqlite")


def _pairs(name: str, *owner: Column[int]) -> Table:
    """A table of names and texts that belong to something."""
    return Table(
        name,
        METADATA,
        *owner,
        Column("key", Text, primary_key=True),
        Column("value", Text, nullable=False),
        sqlite_with_rowid=False,
    )


def _owner(name: str) -> Column[int]:
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


experiments = Table(
    "tracking_experiments",
    METADATA,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False, unique=True),
    Column("location", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
)
experiment_tags = _pairs("tracking_experiment_tags", _owner("experiment"))
runs = Table(
    "tracking_runs",
    METADATA,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("experiment", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("ended", BigInteger),
    Column("deleted", BigInteger),
    # 1 while its end waits to be bound in the ledger.
    Column("waiting", Integer),
    Index("tracking_runs_by_start", "experiment", "started"),
    Index(
        "tracking_runs_waiting",
        "waiting",
        sqlite_where=text(
            "waiting IS NOT NULL"
        ),  # in PostgreSQL too, by its migration: to say it here loads the driver
    ),
)
metrics = Table(
    "tracking_metrics",
    METADATA,
    _owner("run"),
    Column("key", Text, primary_key=True),
    Column("timestamp", BigInteger, primary_key=True, autoincrement=False),
    Column("step", BigInteger, primary_key=True, autoincrement=False),
    Column("value", Float, primary_key=True, autoincrement=False),
    # 1 for a value that is no number; `value` is then 0.
    Column("nan", Integer, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
latest = Table(
    "tracking_latest",
    METADATA,
    _owner("run"),
    Column("key", Text, primary_key=True),
    Column("value", Float, nullable=False),
    Column("nan", Integer, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("step", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
params = _pairs("tracking_params", _owner("run"))
tags = _pairs("tracking_tags", _owner("run"))
datasets = Table(
    "tracking_datasets",
    METADATA,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("experiment", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("source_type", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("schema", Text),
    Column("profile", Text),
    Index("tracking_datasets_by_name", "experiment", "name", "digest", unique=True),
)
inputs = Table(
    "tracking_inputs",
    METADATA,
    _owner("run"),
    _owner("dataset"),
    Column("context", Text),
    Column("tags", Text, nullable=False),
    sqlite_with_rowid=False,
)
links = Table(
    "tracking_links",
    METADATA,
    _owner("run"),
    Column("kind", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("step", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
models = Table(
    "tracking_models",
    METADATA,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("experiment", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("stage", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Index("tracking_models_by_experiment", "experiment", "created"),
)
model_params = _pairs("tracking_model_params", _owner("model"))
model_tags = _pairs("tracking_model_tags", _owner("model"))
model_metrics = Table(
    "tracking_model_metrics",
    METADATA,
    _owner("model"),
    Column("run", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("timestamp", BigInteger, primary_key=True, autoincrement=False),
    Column("step", BigInteger, primary_key=True, autoincrement=False),
    Column("value", Float, nullable=False),
    Column("dataset_name", Text),
    Column("dataset_digest", Text),
    sqlite_with_rowid=False,
)
files = Table(
    "tracking_files",
    METADATA,
    Column("folder", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    # None for a folder.
    Column("digest", Text),
    Column("size", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
registered = Table(
    "tracking_registered",
    METADATA,
    Column("name", Text, primary_key=True),
    # The model of the registry, and the versions of it that came before this registration.
    Column("model", Text, nullable=False, unique=True),
    Column("base", Integer, nullable=False),
    Column("description", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
)
registered_tags = Table(
    "tracking_registered_tags",
    METADATA,
    Column("model", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)
registered_versions = Table(
    "tracking_versions",
    METADATA,
    Column("model", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("description", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("storage", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("run_link", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
version_tags = Table(
    "tracking_version_tags",
    METADATA,
    Column("model", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)
