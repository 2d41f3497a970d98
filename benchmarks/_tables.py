"""The real tables that benchmarks run on: where they lie, what is predicted, and how their rows hang together."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["TABLES", "RealTable", "data_folder", "take_parquet", "write_parquet"]

_DEFAULT = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@dataclass(frozen=True, slots=True)
class RealTable:
    """`query` gives the rows in their order, with `{data}` for the folder of files.

    `kind` and `by` say what is known of the rows from where the table comes from (None: the order of rows).
    """

    name: str
    query: str
    target: str
    kind: Literal["random", "time", "group"] = "random"
    by: str | None = None


def _whole(name: str, file: str, target: str, kind: str = "random", by: str | None = None) -> RealTable:
    return RealTable(name, f"select * from '{{data}}/{file}.parquet'", target, kind, by)  # type: ignore[arg-type]


def _engines(name: str, file: str) -> RealTable:
    rul = "max(cycle) over (partition by unit) - cycle as rul"
    return RealTable(name, f"select *, {rul} from '{{data}}/cmapss/{file}.parquet'", "rul", "group", "unit")


TABLES = {
    table.name: table
    for table in (
        _whole("adult", "adult_train", "income"),
        RealTable(
            "adventureworks",
            "select * exclude (RejectedQty, StockedQty), RejectedQty > 0 as rejected"
            " from '{data}/adventureworks/PurchaseOrderDetail.parquet'",
            "rejected",
            "group",
            "PurchaseOrderID",
        ),
        _whole("ai4i", "ai4i2020", "Machine failure"),
        RealTable(
            "air_quality",
            "select * from '{data}/air_quality.parquet' where \"CO(GT)\" > -100",
            "CO(GT)",
            "time",
            "datetime",
        ),
        _whole("apachejit", "apachejit", "buggy", "time", "author_date"),
        _whole("bank", "bank_marketing", "y", "time"),
        _whole("bearing", "bearing_features", "fault"),
        _whole("bike", "bike_sharing_hour", "cnt", "time"),
        _whole("california", "california_housing", "median_house_value"),
        _engines("cmapss1", "train_FD001"),
        _engines("cmapss3", "train_FD003"),
        _whole("covertype", "covertype_subset", "class"),
        _whole("credit", "south_german_credit", "credit_risk"),
        _whole("elec2", "elec2", "class", "time"),
        RealTable(
            "flaky_tests",
            'select "Project URL", "Module Path", Category from \'{data}/flaky_tests.parquet\''
            " where Category in ('ID', 'OD', 'NIO', 'OD-Vic', 'OD-Brit', 'NOD', 'UD')",
            "Category",
        ),
        _whole("letter", "letter_recognition", "lettr"),
        RealTable(
            "loghub", "select system, event_id, alert from '{data}/loghub_2k.parquet' where alert is not null", "alert"
        ),
        _whole("metro", "metro_traffic", "traffic_volume", "time", "date_time"),
        RealTable(
            "nab",
            "select * from '{data}/nab.parquet' using sample reservoir (30000 rows) repeatable (3)",
            "anomaly_window",
            "group",
            "series",
        ),
        RealTable(
            "northwind",
            "select * exclude (shipped_date), shipped_date > required_date as late from '{data}/northwind/orders.parquet'"
            " where shipped_date is not null order by order_date",
            "late",
            "time",
            "order_date",
        ),
        _whole("nyc_taxis", "nyc_taxis", "tip"),
        RealTable(
            "skab", "select * exclude (changepoint) from '{data}/skab_valve1.parquet'", "anomaly", "group", "run"
        ),
    )
}


def data_folder() -> Path:
    """The folder of the shared tables: FLYBALL_BENCH_DATA, or `shared/data` beside the repository."""
    folder = Path(os.environ.get("FLYBALL_BENCH_DATA", _DEFAULT))
    if not folder.is_dir():
        raise SystemExit(f"no folder {folder}: set FLYBALL_BENCH_DATA to the folder that holds the benchmark tables")
    return folder


def write_parquet(query: str, path: Path) -> None:
    """The rows of a query, in their order, as a Parquet file."""
    import duckdb

    with duckdb.connect() as connection:
        connection.sql(query.replace("{data}", str(data_folder()))).write_parquet(str(path))


def take_parquet(source: Path, rows: NDArray[np.intp], path: Path) -> None:
    """Some rows of a Parquet file, in the order of the file and with its types, as another one."""
    import duckdb

    with duckdb.connect() as connection:
        connection.register("wanted", {"row": np.sort(rows)})
        connection.sql(
            f"select * exclude (file_row_number) from read_parquet('{source}', file_row_number = true)"
            " where file_row_number in (select row from wanted) order by file_row_number"
        ).write_parquet(str(path))
