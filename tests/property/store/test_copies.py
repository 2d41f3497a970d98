"""A copy is what it was copied from, whatever rows there are and whichever databases the two are in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select

from flyball.core.clock import SystemClock
from flyball.ledger.tables import payloads
from flyball.monitoring.tables import windows
from flyball.predictions.tables import outcomes, predictions
from flyball.store import Database
from flyball.store.copying import copy_store
from support.postgres import PostgresServer

TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=20)
BIG = st.integers(-(2**63), 2**63 - 1)
SMALL = st.integers(-(2**31), 2**31 - 1)
REAL = st.floats(allow_nan=False)
PAYLOADS = st.lists(
    st.fixed_dictionaries({"seq": SMALL, "salt": st.binary(max_size=40), "body": st.binary(max_size=40)}),
    max_size=5, unique_by=lambda row: row["seq"],
)  # fmt: skip
WINDOWS = st.lists(
    st.fixed_dictionaries({
        "model": TEXT, "version": SMALL, "number": SMALL, "start": BIG, "end": BIG, "last": TEXT, "rows": SMALL,
        "verdict": TEXT, "p": st.none() | REAL, "level": REAL, "alert": st.none() | SMALL, "statistics": TEXT, "judged": BIG,
    }),
    max_size=5, unique_by=lambda row: (row["model"], row["version"], row["number"]),
)  # fmt: skip
PREDICTIONS = st.lists(
    st.fixed_dictionaries({
        "id": TEXT, "time": BIG, "model": TEXT, "version": st.none() | SMALL, "alias": st.none() | TEXT,
        "content_hash": TEXT, "request": st.none() | TEXT, "inputs": TEXT, "outputs": TEXT,
    }),
    max_size=5, unique_by=lambda row: row["id"],
)  # fmt: skip
TABLES = (payloads, windows, predictions, outcomes)


@pytest.fixture(scope="module")
def stores(
    postgres: PostgresServer, postgres_store: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, list[Database]]]:
    """Two empty stores of each kind."""
    folder = tmp_path_factory.mktemp("stores")
    urls = {
        "sqlite": [f"sqlite:///{folder}/{name}.db" for name in ("one", "two")],
        "postgresql": [postgres.database(like=postgres_store) for _ in range(2)],
    }
    opened = {kind: [_open(url, folder) for url in both] for kind, both in urls.items()}
    yield opened
    for database in (*opened["sqlite"], *opened["postgresql"]):
        database.close()


def _open(url: str, folder: Path) -> Database:
    return Database.open(url, SystemClock(), folder=folder)


@pytest.mark.parametrize("source", ["sqlite", "postgresql"])
@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kept=PAYLOADS, judged=WINDOWS, asked=PREDICTIONS)
def test_every_row_comes_back_bit_by_bit(
    stores: dict[str, list[Database]], source: str, target: str,
    kept: list[dict[str, Any]], judged: list[dict[str, Any]], asked: list[dict[str, Any]],
) -> None:  # fmt: skip
    old, new = stores[source][0], stores[target][1]
    told = [
        {"prediction_id": row["id"], "value": row["inputs"], "time": row["time"], "source": "", "recorded": 0}
        for row in asked
    ]
    for database in (old, new):
        with database.write("test") as tx:
            for table in reversed(TABLES):
                tx.execute(delete(table))
    with old.write("test") as tx:
        for table, rows in zip(TABLES, (kept, judged, asked, told), strict=True):
            if rows:
                tx.execute(insert(table), rows)
    counts = copy_store(old, new)
    assert [counts[table.name] for table in TABLES] == [len(kept), len(judged), len(asked), len(told)]
    for table in TABLES:
        assert _rows(old, table) == _rows(new, table)


def _rows(database: Database, table: Any) -> list[tuple[Any, ...]]:
    with database.read() as reader:
        return [tuple(row) for row in reader.execute(select(table).order_by(*table.primary_key.columns))]
