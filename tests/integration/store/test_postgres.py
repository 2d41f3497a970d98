"""What is particular to a store on PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from flyball.ledger import Draft
from flyball.predictions import Prediction, PredictionLog
from flyball.registry import Registry
from flyball.store import (
    Database,
    StepCache,
    StoreBusy,
    StoreDamaged,
    StoreForeign,
    StoreUnreachable,
    StoreUnsupported,
    ValueRefused,
)
from flyball.store.leases import LeasePresence
from flyball.store.migrate import known_revisions
from flyball.store.postgres import PostgresBackend
from flyball.store.tables import steps
from flyball.testing.registries import TESTER, SteppingClock, open_registry, register_tiny
from support.postgres import PostgresServer, name_of
from support.stores import Store

NOW = SteppingClock()
ROW = {"key": "k", "name": "n", "outputs": "{}", "created": "now"}


@pytest.fixture
def url(postgres: PostgresServer, postgres_store: str) -> Iterator[str]:
    made = postgres.database(like=postgres_store)
    yield made
    postgres.drop(made)


@pytest.fixture
def database(url: str, tmp_path: Path) -> Iterator[Database]:
    with Database.open(url, NOW, folder=tmp_path) as opened:
        yield opened


def test_a_commit_waits_for_the_disk_even_where_the_database_was_told_not_to(
    url: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    postgres.sql("postgres", f'ALTER DATABASE "{name_of(url)}" SET synchronous_commit = off')
    with Database.open(url, NOW, folder=tmp_path) as database, database.write("test") as tx:
        assert tx.connection.execute(text("SHOW synchronous_commit")).scalar() == "on"


def test_what_only_a_mistake_in_the_program_can_cause_is_not_explained_away(database: Database) -> None:
    with pytest.raises(Exception, match="syntax error"), database.read() as reader:
        reader.execute(text("SELEC 1"))


def test_a_text_that_postgres_cannot_keep_is_a_coded_error_and_nothing_is_written(database: Database) -> None:
    with pytest.raises(ValueRefused) as refused, database.write("test") as tx:
        tx.execute(insert(steps), ROW)
        tx.execute(insert(steps), {**ROW, "key": "with \0 inside"})
    assert refused.value.code == "FB-STORE-015"
    assert StepCache(database).get("k") is None


def test_a_request_id_that_cannot_be_kept_reaches_the_caller_and_the_log_goes_on(database: Database) -> None:
    with PredictionLog(database) as log:
        with pytest.raises(ValueRefused):
            log.append([Prediction("p1", NOW.now(), "m", 1, None, "", {}, {}, request="a\0b")])
        log.append([Prediction("p2", NOW.now(), "m", 1, None, "", {}, {})])
        assert list(log.find(["p1", "p2"])) == ["p2"]


def test_a_connection_that_dies_in_a_transaction_is_told_and_the_next_one_is_new(
    database: Database, url: str, postgres: PostgresServer
) -> None:
    with pytest.raises(StoreUnreachable), database.write("test") as tx:
        tx.execute(insert(steps), ROW)
        end_connections(postgres, url)
        tx.execute(insert(steps), {**ROW, "key": "other"})
    StepCache(database).put("later", "n", {})
    assert StepCache(database).get("k") is None


def test_a_connection_that_dies_at_the_commit_leaves_a_doubt_that_is_told(
    database: Database, url: str, postgres: PostgresServer
) -> None:
    with pytest.raises(StoreUnreachable) as doubtful, database.write("test") as tx:
        tx.execute(insert(steps), ROW)
        end_connections(postgres, url)
    assert "it may be in the store or not" in (doubtful.value.why or "")
    assert "look whether" in (doubtful.value.fix or "")


def end_connections(postgres: PostgresServer, url: str) -> None:
    query = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database()"
    postgres.sql(url, query + " AND pid <> pg_backend_pid()")


def test_readers_that_stay_are_a_coded_error_for_one_too_many_and_no_hindrance_for_a_writer(
    url: str, tmp_path: Path
) -> None:
    with Database.open(url, NOW, folder=tmp_path, patience_s=0.2) as database:
        staying = [database.read() for _ in range(20)]
        readers = [one.__enter__() for one in staying]
        with pytest.raises(StoreBusy, match="too many readers"), database.read():
            pass
        StepCache(database).put("k", "n", {})
        for one, _ in zip(staying, readers, strict=True):
            one.__exit__(None, None, None)
        assert StepCache(database).get("k") == {}


def test_a_database_that_is_not_there_or_not_ours_is_said_with_its_remedy(postgres: PostgresServer) -> None:
    with pytest.raises(StoreUnreachable, match="does not exist") as absent:
        Database.open(postgres.url("nowhere"), NOW)
    assert "createdb" in (absent.value.fix or "")
    stranger = postgres.url("postgres").replace("flyball@", "stranger:s3cret@")
    with pytest.raises(StoreUnreachable) as unknown:
        Database.open(stranger, NOW)
    assert "s3cret" not in str(unknown.value)
    with pytest.raises(StoreUnsupported, match="UTF8"):
        Database.open(postgres.database(encoding="SQL_ASCII"), NOW)


def test_a_driver_that_is_not_installed_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreUnsupported) as missing:
        Database.open("postgresql://flyball:s3cret@localhost/plant", NOW)
    assert missing.value.fix == 'pip install "flyball[postgres]"'
    assert "s3cret" not in str(missing.value)


def test_a_password_or_an_option_of_the_url_is_never_shown() -> None:
    with pytest.raises(StoreUnreachable) as away:
        Database.open("postgresql://flyball:s3cret@127.0.0.1:1/plant?sslpassword=0ther", NOW, patience_s=0.1)
    assert "postgresql://flyball:***@127.0.0.1:1/plant" in str(away.value)
    assert "s3cret" not in str(away.value)
    assert "0ther" not in str(away.value)


def test_a_schema_of_its_own_keeps_a_store_apart_from_other_tables(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.database()
    postgres.sql(url, "CREATE TABLE theirs (x INTEGER)")
    postgres.sql(url, "CREATE SCHEMA plant")
    with Database.open(f"{url}&options=-csearch_path%3Dplant", NOW, folder=tmp_path) as database:
        StepCache(database).put("k", "n", {})
        assert database.integrity() == []
    assert postgres.sql(url, "SELECT key FROM plant.steps") == [("k",)]
    with pytest.raises(StoreForeign):
        Database.open(url, NOW)


def test_an_account_that_may_only_read_can_audit_and_not_write(
    url: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    registry = open_registry(tmp_path, store=url)
    register_tiny(registry)
    registry.database.close()
    postgres.sql("postgres", "DROP ROLE IF EXISTS auditor")
    postgres.sql("postgres", "CREATE ROLE auditor LOGIN")
    postgres.sql(url, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO auditor")
    audit = open_registry(tmp_path, store=url.replace("flyball@", "auditor@"), begin=False)
    assert audit.verify().ok
    with pytest.raises(StoreUnreachable, match="may not be written"), audit.database.write("test") as tx:
        audit.ledger.append(tx, Draft("test.made", "x", TESTER))
    audit.database.close()
    postgres.sql(url, "DROP OWNED BY auditor")


def test_a_lease_is_renewed_while_its_process_lives_and_runs_out_after(url: str, postgres: PostgresServer) -> None:
    def expires() -> int:
        return postgres.sql(url, "SELECT expires FROM leases")[0][0]

    def wait_until(true: Callable[[], bool]) -> None:
        end = time.monotonic() + 30
        while not true():
            assert time.monotonic() < end
            time.sleep(0.02)

    backend = PostgresBackend(_parsed(url), folder=Path(), patience_s=5)
    short = LeasePresence(backend._writers, lease_s=0.3)
    with Database.open(url, NOW) as database:
        with database.write("test") as tx:
            short.hold(tx, "run-1")
        first = expires()
        wait_until(lambda: expires() > first + 600_000)  # renewed beyond two lives of the first lease
        short.close()
        last = expires()
        wait_until(lambda: not short.held("run-1"))
        assert expires() == last
    backend.close()


def _parsed(url: str):
    from sqlalchemy import make_url

    return make_url(url)


OPENER = """
import sys
from pathlib import Path
from flyball.core.clock import SystemClock
from flyball.store import Database, StepCache
with Database.open(sys.argv[1], SystemClock(), folder=Path(sys.argv[2])) as database:
    assert StepCache(database).get("k") == {}
"""


# What the first revision made.
SPINE = ("steps", "ledger_entries", "ledger_payloads", "ledger_checkpoints", "ledger_head", "signing_keys", "dataset_versions",
         "models", "model_versions", "aliases", "alias_history", "runs")  # fmt: skip


def older(url: str, postgres: PostgresServer) -> None:
    """Take a store back to its first revision, with a row in it."""
    first = {"alembic_version", *SPINE}
    found = postgres.sql(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    postgres.sql(url, f"DROP TABLE {', '.join(name for (name,) in found if name not in first)} CASCADE")
    postgres.sql(url, f"UPDATE alembic_version SET version_num = '{known_revisions()[0]}'")
    postgres.sql(url, "INSERT INTO steps VALUES ('k', 'n', '{}', 'now')")


def test_an_upgrade_that_is_killed_before_its_end_left_the_old_store_and_the_next_one_completes_it(
    url: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    older(url, postgres)
    command = [sys.executable, "-W", "error", "-c", OPENER, url, str(tmp_path)]
    for point in ("store.backup:after", "store.upgrade:before-commit#2"):  # the first is the copy's own
        environment = {**os.environ, "FLYBALL_FAILPOINT": point}
        assert subprocess.run(command, env=environment, check=False).returncode == -9
    assert postgres.sql(url, "SELECT version_num FROM alembic_version") == [(known_revisions()[0],)]
    assert postgres.sql(url, "SELECT to_regclass('predictions')") == [(None,)]
    running = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert postgres.sql(url, "SELECT version_num FROM alembic_version") == [(known_revisions()[-1],)]
    copies = list(tmp_path.glob("store.backup-0001_spine-*"))
    assert copies
    for copy in copies:
        with closing(sqlite3.connect(copy)) as kept:
            assert kept.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001_spine",)]
            assert kept.execute("SELECT key FROM steps").fetchall() == [("k",)]
    assert list(tmp_path.glob(".store*")) == []


@pytest.fixture
def filled(url: str, tmp_path: Path) -> Iterator[Registry]:
    """A row or more in every table that the audit looks at."""
    opened = open_registry(tmp_path, store=url)
    opened.record_dataset("telemetry", "ab" * 32, opened.artifacts.put(b"rows"), {"rows": 4}, TESTER)
    run = opened.start_run("learn", {}, TESTER)
    register_tiny(opened, run_id=run)
    opened.move_alias("machines", "production", 1, TESTER, "go", payload={"gate": "passed"})
    opened.finish_run(run, "done")
    yield opened
    opened.database.close()


@pytest.mark.parametrize(
    "table",
    ["aliases", "alias_history", "dataset_versions", "ledger_checkpoints", "ledger_entries", "ledger_head",
     "ledger_payloads", "model_versions", "models", "runs", "signing_keys"],
)  # fmt: skip
def test_any_change_of_any_column_and_a_deleted_row_are_named_by_the_audit(
    filled: Registry, table: str, url: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    store = Store(url, tmp_path, postgres)
    described = (
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' AND table_name = "
    )
    other = {"text": "{c} || ' '", "integer": "{c} + 1000", "bytea": "set_byte({c}, 0, get_byte({c}, 0) # 1)"}
    columns = store.rows(f"{described}'{table}'")
    assert columns
    for column, kind in columns:
        kept = f"CREATE TABLE kept AS SELECT * FROM {table}"
        store.rows(kept)
        changed, absent = other[kind].format(c=f'"{column}"'), "0" if kind == "integer" else "'x'"
        store.rows(f'UPDATE {table} SET "{column}" = coalesce({changed}, {absent})')
        assert not filled.verify().ok, column
        for statement in (f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM kept", "DROP TABLE kept"):
            store.rows(statement)
    assert filled.verify().ok
    store.edit(f"DELETE FROM {table} WHERE ctid = (SELECT max(ctid) FROM {table})")
    assert not filled.verify().ok


def test_a_table_that_cannot_be_read_does_not_hide_what_is_wrong_with_the_others(
    filled: Registry, url: str, postgres: PostgresServer
) -> None:
    postgres.sql(url, "DROP TABLE ledger_payloads")
    postgres.sql(url, "UPDATE aliases SET number = 7")
    codes = {(problem.code, problem.where) for problem in filled.verify().problems}
    assert ("FB-AUDIT-001", "ledger_payloads") in codes
    assert ("FB-AUDIT-016", "aliases machines/production") in codes
    with pytest.raises(StoreDamaged):
        filled.ledger.payload(3)
