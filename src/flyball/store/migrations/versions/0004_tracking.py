"""Tracking: experiments, runs, metrics, logged models, their files, and models registered from elsewhere."""

import sqlalchemy as sa
from alembic import op

revision = "0004_tracking"
down_revision = "0003_watch"

# SQLite numbers rows by itself only for INTEGER, which holds 64 bits there.
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _experiments()
    _runs()
    _metrics()
    _data()
    _models()
    _files()
    _registered()


def _pairs(name: str, owner: str) -> None:
    op.create_table(
        name,
        sa.Column(owner, sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )


def _experiments() -> None:
    op.create_table(
        "tracking_experiments",
        sa.Column("id", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
    )
    _pairs("tracking_experiment_tags", "experiment")


def _runs() -> None:
    op.create_table(
        "tracking_runs",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("experiment", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("user", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("started", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.BigInteger),
        sa.Column("deleted", sa.BigInteger),
        sa.Column("waiting", sa.Integer),
    )
    op.create_index("tracking_runs_by_start", "tracking_runs", ["experiment", "started"])
    waiting = sa.text("waiting IS NOT NULL")
    op.create_index(
        "tracking_runs_waiting", "tracking_runs", ["waiting"], sqlite_where=waiting, postgresql_where=waiting
    )
    _pairs("tracking_params", "run")
    _pairs("tracking_tags", "run")


def _metrics() -> None:
    op.create_table(
        "tracking_metrics",
        sa.Column("run", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("timestamp", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("step", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("value", sa.Float, primary_key=True, autoincrement=False),
        sa.Column("nan", sa.Integer, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tracking_latest",
        sa.Column("run", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("nan", sa.Integer, nullable=False),
        sa.Column("timestamp", sa.BigInteger, nullable=False),
        sa.Column("step", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def _data() -> None:
    op.create_table(
        "tracking_datasets",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("experiment", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("source_type", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("schema", sa.Text),
        sa.Column("profile", sa.Text),
    )
    op.create_index("tracking_datasets_by_name", "tracking_datasets", ["experiment", "name", "digest"], unique=True)
    op.create_table(
        "tracking_inputs",
        sa.Column("run", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("dataset", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("context", sa.Text),
        sa.Column("tags", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tracking_links",
        sa.Column("run", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("step", sa.BigInteger, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )


def _models() -> None:
    op.create_table(
        "tracking_models",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("experiment", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
    )
    op.create_index("tracking_models_by_experiment", "tracking_models", ["experiment", "created"])
    _pairs("tracking_model_params", "model")
    _pairs("tracking_model_tags", "model")
    op.create_table(
        "tracking_model_metrics",
        sa.Column("model", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("run", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("timestamp", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("step", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("dataset_name", sa.Text),
        sa.Column("dataset_digest", sa.Text),
        sqlite_with_rowid=False,
    )


def _files() -> None:
    op.create_table(
        "tracking_files",
        sa.Column("folder", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text),
        sa.Column("size", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def _registered() -> None:
    op.create_table(
        "tracking_registered",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, nullable=False, unique=True),
        sa.Column("base", sa.Integer, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "tracking_registered_tags",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tracking_versions",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("storage", sa.Text, nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("run_link", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tracking_version_tags",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
