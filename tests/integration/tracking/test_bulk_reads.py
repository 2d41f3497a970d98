"""Runs and points by column hold what one look at each run would find, whatever is paged how."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flyball.client import Columns, NoServer, Refusal, RunReader
from flyball.client.columns import joined
from flyball.core.clock import SystemClock
from flyball.mlflow import MlflowApp, Service
from flyball.mlflow.entities import run_entity
from flyball.mlflow.run_pages import runs_page_json
from flyball.project import Project
from flyball.server import open_for_server
from flyball.server.running import server_app
from flyball.server.watching import Log
from flyball.serving.run import run as serve
from flyball.store import Database, FileArtifacts
from flyball.testing.registries import open_registry
from flyball.tracking import DatasetInput, Metric, ModelLink, QueryInvalid, Tracking
from support.command_line import flyball
from support.stores import Store

ODD = 'quote " slash \\ newline \n tab \t ü 😀 \u2028 </script>'


@pytest.fixture
def tracking(store: Store) -> Iterator[Tracking]:
    registry = open_registry(store.folder, store=store.url)
    yield Tracking(registry.database, FileArtifacts(store.folder / "artifacts"), registry.ledger)
    registry.database.close()


def fill(tracking: Tracking, count: int = 9) -> list[str]:
    """Runs that differ in what they have; their ids, newest first."""
    ids = []
    for number in range(count):
        run = tracking.runs.create(0, name=f"{number} {ODD}", user=ODD, started=1000 + number)
        values = (0.1 * number, math.nan, math.inf)
        points = [Metric("loss", values[number % 3] / (step + 1), 7 * step, step) for step in range(5)]
        if number % 4 == 0:
            points.append(Metric("rare/one", number, 1, 0))
        tracking.runs.log(run.id, metrics=points, params={"p": str(number), "odd": ODD}, tags={"t": ODD * (number % 3)})
        if number % 3 == 0:
            tracking.runs.log_inputs(
                run.id, [DatasetInput(ODD, "d", "local", "{}", tags={"a": ODD})], [ModelLink("output", "m", 2)]
            )
            tracking.runs.update(run.id, status="FINISHED", ended=2000 + number)
        ids.insert(0, run.id)
    return ids


def expected(tracking: Tracking, where: str) -> dict[str, dict[str, Any]]:
    found = {}
    for run in tracking.runs.search(where).items:
        row = {name: getattr(run, name) for name in ("id", "experiment", "name", "user", "status", "started", "ended")}
        row |= {f"metrics.{metric.key}": metric.value for metric in run.metrics}
        row |= {f"params.{key}": value for key, value in run.params.items()}
        found[run.id] = row | {f"tags.{key}": value for key, value in run.tags.items()}
    return found


def by_row(table: Columns) -> list[dict[str, Any]]:
    rows = zip(*table.columns.values(), strict=True)
    return [
        {name: value for name, value in zip(table.columns, row, strict=True) if value is not None or name == "ended"}
        for row in rows
    ]


def same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)  # NaN is NaN


@pytest.mark.parametrize("where", ["", "metrics.loss < 0.3 OR params.p = '5'", "tags.t = 'none'"])
@pytest.mark.parametrize("page", [1, 2, 1000])
def test_pages_by_column_hold_what_the_runs_hold(tracking: Tracking, where: str, page: int) -> None:
    fill(tracking)
    table = joined(RunReader(tracking.bulk).run_pages(where, page=page))
    wanted = expected(tracking, where)
    assert [row["id"] for row in by_row(table)] == list(wanted)
    for row in by_row(table):
        assert same(sorted(row.items()), sorted(wanted[row["id"]].items()))


def test_runs_that_begin_between_two_pages_shift_nothing(tracking: Tracking) -> None:
    ids = fill(tracking)
    seen = []
    for table in RunReader(tracking.bulk).run_pages(page=2):
        seen += table["id"]
        tracking.runs.create(0)
    assert seen == ids
    assert RunReader(tracking.bulk).runs(limit=3).rows == 3


@pytest.mark.parametrize("page", [1, 3, 50_000])
@pytest.mark.parametrize("keys", [(), ("loss",), ("rare/one", "none")])
def test_every_point_is_read_once_and_in_order(tracking: Tracking, page: int, keys: tuple[str, ...]) -> None:
    ids = fill(tracking)[::-1]
    table = joined(RunReader(tracking.bulk).point_pages("started < 1007", keys, page=page))
    wanted = [
        (run, point.key, point.step, point.timestamp, point.value)
        for run in ids[:7]
        for key in sorted(keys or ("loss", "rare/one"))
        for point in tracking.runs.history(run, key)[0]
    ]
    assert same(list(zip(*table.columns.values(), strict=True)), wanted)


def test_a_query_or_a_place_that_cannot_be_read_is_said(tracking: Tracking) -> None:
    for ask in (
        lambda: tracking.bulk.runs("odd"),
        lambda: tracking.bulk.points("(a"),
        lambda: tracking.bulk.points(after="x"),
    ):
        with pytest.raises(QueryInvalid):
            ask()


def test_a_page_written_from_rows_is_what_the_runs_say(tracking: Tracking) -> None:
    fill(tracking)
    page, whole = tracking.runs.search_rows(order_by=["metrics.loss DESC"], limit=6)
    runs = tracking.runs.search(order_by=["metrics.loss DESC"], limit=6)
    written = json.loads(runs_page_json(page.items, whole, {"next_page_token": ODD}))
    assert written == {"runs": [run_entity(run) for run in runs.items], "next_page_token": ODD}
    assert page.next == runs.next == 6


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Project, str]]:
    """A project and the URL of its server."""
    import io
    import threading

    project, _ = open_for_server(tmp_path)
    protocol = MlflowApp(Service.of(project))
    app = server_app(project, protocol, Log(project.clock, io.StringIO()), token=None)
    stop, ready, urls = threading.Event(), threading.Event(), []

    def told(address: Any) -> None:
        urls.append(address.url)
        ready.set()

    thread = threading.Thread(target=serve, args=(app,), kwargs={"ready": told, "stop": stop})
    thread.start()
    assert ready.wait(30)
    yield project, urls[0]
    stop.set()
    thread.join(30)
    protocol.close()
    project.close()


def test_a_server_answers_what_its_store_holds(served: tuple[Project, str]) -> None:
    project, url = served
    fill(project.tracking)
    near, far = RunReader(project.tracking.bulk), RunReader(url)
    for where in ("", "metrics.loss < 0.3 OR params.p = '5'"):
        assert same(far.runs(where, order=["params.p DESC"]), near.runs(where, order=["params.p DESC"]))
        assert same(far.points(where, ["loss"]), near.points(where, ["loss"]))
    assert [table.rows for table in far.run_pages(page=4)] == [4, 4, 1]
    with pytest.raises(Refusal, match="FB-TRACK"):
        far.runs("odd")
    with pytest.raises(NoServer):
        RunReader("http://127.0.0.1:9").runs()


def test_the_command_lists_runs_and_writes_tables(served: tuple[Project, str], tmp_path: Path) -> None:
    project, url = served
    fill(project.tracking)
    for more in ((), ("--url", url)):
        rows = flyball("runs", "params.p = '4' OR params.p = '3'", *more, folder=tmp_path).answer()["runs"]
        assert [row["params.p"] for row in rows] == ["4", "3"]
    told = flyball("runs", "--to", str(tmp_path / "runs.csv"), folder=tmp_path).answer()
    assert told["runs"] == 9
    with (tmp_path / "runs.csv").open(newline="") as file:
        assert [row["params.odd"] for row in csv.DictReader(file)] == [ODD] * 9
    points = tmp_path / "points.parquet"
    assert flyball("runs", "--points", "loss", "--to", str(points), folder=tmp_path).answer()["points"] == 45
    assert duckdb.sql(f"SELECT count(*), count(DISTINCT run), max(step) FROM '{points}'").fetchall() == [(45, 9, 4)]
    assert flyball("runs", "--points", "loss", folder=tmp_path).error(2)["code"] == "FB-CLI-001"
    assert flyball("runs", "odd", folder=tmp_path).error(2)["code"].startswith("FB-TRACK")
    assert flyball("runs", "--to", "runs.xlsx", folder=tmp_path).error(2)["code"] == "FB-PROJECT-008"


def test_a_store_without_runs_answers_empty_tables(tmp_path: Path) -> None:
    with Database.open("sqlite:///x.db", SystemClock(), folder=tmp_path) as database:
        from flyball.tracking.bulk import Bulk

        assert Bulk(database).runs() == {
            "rows": 0, "next": None, "upto": 0, "metrics": {}, "params": {}, "tags": {},
            "run": {name: [] for name in ("id", "experiment", "name", "user", "status", "started", "ended")},
        }  # fmt: skip
        assert Bulk(database).points()["next"] is None
