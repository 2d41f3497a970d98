"""Copying a store into another: whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert

from flyball.core.files import StoreFull
from flyball.predictions import Prediction, PredictionLog
from flyball.store import Database, StoreNotEmpty, ValueRefused
from flyball.store.contents import row_counts
from flyball.store.copying import copy_store
from flyball.store.tables import steps
from flyball.testing.registries import SteppingClock, open_registry, register_tiny
from flyball.tracking.experiments import Experiments
from support.disks import Mount
from support.stores import Store

COPIER = """
import sys
from flyball.core.clock import SystemClock
from flyball.store import Database
from flyball.store.copying import copy_store
with Database.open(sys.argv[1], SystemClock(), create=False) as old, Database.open(sys.argv[2], SystemClock()) as new:
    copy_store(old, new)
"""


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Database]:
    """A store in a file, with a version in its ledger."""
    registry = open_registry(tmp_path, store="sqlite:///source.db")
    register_tiny(registry)
    yield registry.database
    registry.database.close()


def opened(store: Store) -> Database:
    return Database.open(store.url, SteppingClock(), folder=store.folder)


def filled(database: Database) -> dict[str, int]:
    with database.read() as reader:
        return {name: count for name, count in row_counts(reader).items() if count and name != "alembic_version"}


def test_a_copy_that_is_killed_at_its_end_left_nothing_and_the_next_one_is_whole(
    source: Database, store: Store
) -> None:
    target = store.url if store.server else f"sqlite:///{store.folder}/flyball.db"
    command = [sys.executable, "-W", "error", "-c", COPIER, f"sqlite:///{source.path}", target]
    environment = {**os.environ, "FLYBALL_FAILPOINT": "store.copy:before-commit"}
    assert subprocess.run(command, env=environment, check=False).returncode == -9
    with opened(store) as database:
        assert filled(database) == {}
    assert subprocess.run(command, check=False).returncode == 0
    with opened(store) as database:
        assert filled(database) == filled(source)
        with pytest.raises(StoreNotEmpty):
            copy_store(source, database)
        assert filled(database) == filled(source)


def test_the_default_experiment_alone_is_copied_and_the_next_one_gets_its_own_number(
    source: Database, store: Store
) -> None:
    Experiments(source, "mlflow-artifacts:").ensure_default()
    with opened(store) as database:
        copy_store(source, database)
        assert Experiments(database, "mlflow-artifacts:").create("furnaces") == 1


def test_a_full_disk_is_told_as_such_whichever_database_is_copied_from(store: Store, small_disk: Mount) -> None:
    folder = small_disk("size=700k")
    with opened(store) as database:
        with database.write("test") as tx:
            rows = [{"key": str(number), "name": "n", "outputs": "0" * 2000, "created": "now"} for number in range(500)]
            tx.execute(insert(steps), rows)
        target = Database.open(f"sqlite:///{folder}/copy.db", SteppingClock())
        with pytest.raises(StoreFull, match="disk is full"):
            copy_store(database, target)
        assert filled(target) == {}
        target.close()
        with pytest.raises(StoreFull, match="disk is full"):
            database.snapshot(folder / "snapshot.db")


def test_what_is_written_meanwhile_is_not_in_the_copy_and_how_far_it_is_is_told(source: Database, store: Store) -> None:
    before, told = filled(source), list[float]()

    def tell(done: float, _table: str) -> None:
        if not told:
            with source.write("test") as tx:
                tx.execute(insert(steps), {"key": "later", "name": "n", "outputs": "{}", "created": "now"})
        told.append(done)

    with opened(store) as database:
        copy_store(source, database, tell)
        assert filled(database) == before
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_a_row_that_the_target_cannot_keep_is_named_and_nothing_is_kept(source: Database, store: Store) -> None:
    with PredictionLog(source) as log:
        log.append([Prediction("p1", SteppingClock().now(), "m", 1, None, "", {}, {}, request="a\0b")])
    with opened(store) as database:
        if store.kind == "sqlite":
            copy_store(source, database)
            assert filled(database)["predictions"] == 1
            return
        with pytest.raises(ValueRefused):
            copy_store(source, database)
        assert filled(database) == {}
