"""Small stores as MLflow writes them, made by plain SQL and plain files."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import flyball.exchange

__all__ = ["CHILD", "GONE", "MODEL", "PARENT", "change", "database_store", "folder_store", "make_older", "schema"]

PARENT, CHILD, GONE, MODEL = "a" * 32, "b" * 32, "c" * 32, "m-" + "d" * 32
T = 1_700_000_000_000
FILES = {"model/MLmodel": b"flavors: {}\n", "model/weights.bin": b"\x00\x01" * 5000, "folder one/\xe4.txt": b""}
# By table, the columns that are written and the rows.
_ROWS: Mapping[str, tuple[str, Sequence[tuple[Any, ...]]]] = {
    "experiments": (
        "experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time",
        [
            (0, "Default", "mlflow-artifacts:/0", "active", T, T),
            (1, "north", "mlflow-artifacts:/1", "active", T + 1, T + 2),
            (7, "shut", "s3://bucket/7", "deleted", T + 3, T + 4),
        ],
    ),
    "experiment_tags": ("key, value, experiment_id", [("team", "ünï", 1), ("empty", "", 1)]),
    "runs": (
        "run_uuid, name, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri, experiment_id, deleted_time",
        [
            (PARENT, "parent", "ada", "RUNNING", T + 10, None, "active", f"mlflow-artifacts:/1/{PARENT}/artifacts", 1, None),
            (CHILD, "child", "bob", "FINISHED", T + 11, T + 99, "active", f"mlflow-artifacts:/1/{CHILD}/artifacts", 1, None),
            (GONE, "gone", None, "FAILED", T + 12, T + 13, "deleted", f"s3://bucket/7/{GONE}/artifacts", 7, T + 50),
        ],
    ),
    "tags": (
        "key, value, run_uuid",
        [("mlflow.parentRunId", PARENT, CHILD), ("note", "two\nlines", CHILD), ("mlflow.runName", "child", CHILD)],
    ),
    "params": ("key, value, run_uuid", [("depth", "3", CHILD), ("long", "x" * 6000, CHILD)]),
    "metrics": (
        "key, value, timestamp, run_uuid, step, is_nan",
        [
            ("loss/train", 0.5, T + 20, CHILD, 0, False), ("loss/train", 0.0, T + 21, CHILD, 1, True),
            ("loss/train", 1.7976931348623157e308, T + 22, CHILD, 2, False), ("loss/train", 0.25, T + 23, CHILD, -3, False),
            ("test_roc_auc", 0.9, T + 30, CHILD, 0, False), ("speed", 1.0, T + 15, PARENT, 0, False),
        ],
    ),
    "datasets": (
        "dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source, dataset_schema, dataset_profile",
        [("data1", 1, "plant", "abc", "local", '{"uri": "x"}', "cols", None)],
    ),
    "inputs": (
        "input_uuid, source_type, source_id, destination_type, destination_id, step",
        [
            ("in1", "DATASET", "data1", "RUN", CHILD, 0), ("in2", "RUN_INPUT", PARENT, "MODEL_INPUT", MODEL, 0),
            ("in3", "RUN_OUTPUT", CHILD, "MODEL_OUTPUT", MODEL, 4),
        ],
    ),
    "input_tags": ("input_uuid, name, value", [("in1", "mlflow.data.context", "training")]),
    "logged_models": (
        "model_id, experiment_id, name, artifact_location, creation_timestamp_ms, last_updated_timestamp_ms, status, "
        "lifecycle_stage, model_type, source_run_id",
        [(MODEL, 1, "net", f"mlflow-artifacts:/1/models/{MODEL}/artifacts", T + 40, T + 41, 2, "active", "cls", CHILD)],
    ),
    "logged_model_params": ("model_id, experiment_id, param_key, param_value", [(MODEL, 1, "p", "1")]),
    "logged_model_tags": ("model_id, experiment_id, tag_key, tag_value", [(MODEL, 1, "t", "2")]),
    "logged_model_metrics": (
        "model_id, metric_name, metric_timestamp_ms, metric_step, metric_value, experiment_id, run_id, dataset_name, "
        "dataset_digest",
        [(MODEL, "acc", T + 42, 1, 0.75, 1, CHILD, "plant", "abc")],
    ),
    "registered_models": (
        "name, creation_time, last_updated_time, description",
        [("press", T + 60, T + 70, "what it is"), ("späß", T + 61, T + 61, None)],
    ),
    "registered_model_tags": ("key, value, name", [("a", "1", "press")]),
    "registered_model_aliases": ("alias, version, name", [("champion", 3, "press"), ("production", 1, "press")]),
    "model_versions": (
        "name, version, creation_time, last_updated_time, description, current_stage, source, run_id, status, run_link, "
        "storage_location",
        [
            ("press", 1, T + 62, T + 63, "first", "Production", f"mlflow-artifacts:/1/{CHILD}/artifacts/model", CHILD, "READY",
             None, None),
            ("press", 2, T + 64, T + 65, None, "Deleted_Internal", "gone", "gone", "READY", "gone", None),
            ("press", 3, T + 66, T + 66, None, "None", f"models:/{MODEL}", CHILD, "READY", "http://x/y",
             f"mlflow-artifacts:/1/models/{MODEL}/artifacts"),
            ("späß", 1, T + 67, T + 67, None, "None", "s3://bucket/model", None, "READY", None, None),
        ],
    ),
    "model_version_tags": ("key, value, name, version", [("n", "1", "press", 1)]),
}  # fmt: skip


def schema() -> str:
    """The statements that make an empty store."""
    return Path(flyball.exchange.__file__).with_name("schema.sql").read_text()


def database_store(folder: Path) -> Path:
    """A store in `folder/mlflow.db` with its files in `folder/mlartifacts`."""
    folder.mkdir(parents=True, exist_ok=True)
    store = folder / "mlflow.db"
    with closing(sqlite3.connect(store)) as database, database:
        database.executescript(schema())
        fill(database.executemany, "?")
    for place in (f"1/{CHILD}", f"1/models/{MODEL}"):
        _write_files(folder / "mlartifacts" / place / "artifacts")
    return store


def fill(executemany: Any, mark: str) -> None:
    """Insert the rows; `mark` stands for a value in statements."""
    for table, (columns, rows) in _ROWS.items():
        quoted = re.sub(r"\bkey\b", '"key"', columns)
        marks = ", ".join(mark for _ in columns.split(", "))
        executemany(f"INSERT INTO {table} ({quoted}) VALUES ({marks})", rows)


def change(store: Path, *statements: str) -> None:
    """Change a store behind everybody's back."""
    with closing(sqlite3.connect(store)) as database, database:
        for statement in statements:
            database.execute(statement)


def make_older(store: Path) -> None:
    """Bring a store to the layout of MLflow 2.0: no aliases, data sets or logged models, and fewer columns."""
    later = ("registered_model_aliases", "datasets", "inputs", "input_tags", "logged_model_metrics", "logged_model_params",
             "logged_model_tags", "logged_models", "trace_request_metadata", "trace_tags", "trace_info")  # fmt: skip
    columns = ("experiments DROP COLUMN creation_time", "experiments DROP COLUMN last_update_time",
               "model_versions DROP COLUMN storage_location")  # fmt: skip
    change(
        store, *(f"DROP TABLE {table}" for table in later), *(f"ALTER TABLE {column}" for column in columns),
        "DELETE FROM model_versions WHERE version = 3", "UPDATE alembic_version SET version_num = 'cc1f77228345'",
    )  # fmt: skip


def folder_store(root: Path) -> Path:
    """A store without a database in `root/mlruns`, with what `database_store` holds of experiment 1 and of the model."""
    runs = root / "mlruns"
    north = runs / "1"
    _meta(
        runs / "0", experiment_id="'0'", name="Default", lifecycle_stage="active", creation_time=T, last_update_time=T
    )
    _meta(
        north, experiment_id="'1'", name="north", lifecycle_stage="active", creation_time=T + 1, last_update_time=T + 2,
        artifact_location=north,
    )  # fmt: skip
    _files(north / "tags", team="ünï", empty="")
    child = north / CHILD
    _meta(
        child, run_id=CHILD, run_name="child", user_id="bob", status=3, start_time=T + 11, end_time=T + 99,
        lifecycle_stage="active", artifact_uri=f"file://{child}/artifacts", experiment_id="'1'",
    )  # fmt: skip
    _files(child / "tags", note="two\nlines", **{"mlflow.runName": "child"})
    _files(child / "params", depth="3", long="x" * 6000)
    lines = f"{T + 20} 0.5 0\n{T + 21} nan 1\n{T + 22} inf 2\n{T + 23} 0.25 -3\n"
    _files(child / "metrics", **{"loss/train": lines, "test_roc_auc": f"{T + 30} 0.9 0\n", "old": f"{T + 31} 2.0\n"})
    _meta(north / "datasets" / "data1", name="plant", digest="abc", source_type="local", source="'{}'", schema="cols")
    _meta(
        child / "inputs" / "in1", source_type="DATASET", source_id="data1", tags="{mlflow.data.context: training}",
        destination_type="RUN", destination_id="data1",
    )  # fmt: skip
    _meta(child / "outputs" / MODEL, source_type="RUN_OUTPUT", destination_id=MODEL, step=4)
    model = north / "models" / MODEL
    _meta(
        model, model_id=MODEL, name="net", status=2, model_type="cls", source_run_id=CHILD, creation_timestamp=T + 40,
        last_updated_timestamp=T + 41, artifact_location=model / "artifacts",
    )  # fmt: skip
    _files(model / "metrics", acc=f"{T + 42} 0.75 1 {CHILD} plant abc\n")
    _files(model / "params", p="1")
    _meta(
        runs / ".trash" / "2", experiment_id="'2'", name="shut", lifecycle_stage="deleted", artifact_location="s3://b/2"
    )
    press = runs / "models" / "press"
    _meta(press, name="press", creation_timestamp=T + 60, last_updated_timestamp=T + 70, description="what it is")
    _files(press / "tags", a="1")
    _files(press / "aliases", champion="3")
    for number, stage in ((1, "Production"), (2, "Deleted_Internal"), (3, "None")):
        _meta(
            press / f"version-{number}", name="press", version=number, creation_timestamp=T + 60 + number, run_id=CHILD,
            last_updated_timestamp=T + 70, current_stage=stage, source=f"{child}/artifacts/model",
        )  # fmt: skip
    for home in (child, model):
        _write_files(home / "artifacts")
    return runs


def _meta(folder: Path, **fields: Any) -> None:
    _files(folder, **{"meta.yaml": "".join(f"{name}: {value}\n" for name, value in fields.items())})


def _files(folder: Path, **contents: str) -> None:
    for name, text in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())


def _write_files(folder: Path) -> None:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
