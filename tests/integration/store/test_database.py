from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text

from flyball.ledger.tables import METADATA as LEDGER
from flyball.registry.tables import METADATA as REGISTRY
from flyball.store import (
    Database,
    StepCache,
    StoreBusy,
    StoreDamaged,
    StoreMissing,
    StoreNewer,
    StoreOlder,
    StoreUnreachable,
    StoreUnsupported,
)
from flyball.store.migrate import MIGRATIONS, known_revisions
from flyball.store.tables import METADATA, steps
from flyball.testing.registries import SteppingClock

ROW = {"key": "k", "name": "n", "outputs": "{}", "created": "now"}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database.open("sqlite:///deep/er/flyball.db", SteppingClock(), folder=tmp_path) as opened:
        yield opened


def open_in(folder: Path, **options: float) -> Database:
    return Database.open("sqlite:///flyball.db", SteppingClock(), folder=folder, **options)


def test_a_new_store_is_wal_with_every_commit_synced_and_foreign_keys_on(database: Database) -> None:
    with database.read() as connection:
        modes = [connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")]
        assert modes == ["wal", 2]
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 30_000
    assert database.integrity() == []


def test_a_store_that_stays_locked_is_a_coded_error(tmp_path: Path) -> None:
    with open_in(tmp_path, patience_s=0.1) as database, closing(sqlite3.connect(database.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy) as caught, database.write("test"):
            pass
        assert caught.value.code == "FB-STORE-003"
        other.rollback()


@pytest.mark.parametrize("junk", [b"name,age\nada,36\n" * 300, b"SQLite format 3\x00" + b"\x07" * 4096])
def test_a_file_that_is_no_database_is_named_with_its_remedy(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "flyball.db").write_bytes(junk)
    with pytest.raises(StoreDamaged) as caught:
        open_in(tmp_path)
    assert "audit verify" in str(caught.value)
    assert (tmp_path / "flyball.db").read_bytes() == junk


def test_a_folder_where_the_file_should_be_is_unreachable(tmp_path: Path) -> None:
    (tmp_path / "flyball.db").mkdir()
    with pytest.raises(StoreUnreachable):
        open_in(tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://user:secret@host/db",
        "sqlite://",
        "postgresql://user:secret@host",
        "secret no url",
        "sqlite:///:memory:",
    ],
)
def test_other_urls_are_refused_without_showing_the_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(StoreUnsupported) as caught:
        Database.open(url, SteppingClock(), folder=tmp_path)
    assert "secret" not in str(caught.value)


def test_a_store_of_a_newer_version_is_refused_untouched(tmp_path: Path) -> None:
    open_in(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "flyball.db")) as other, other:
        other.execute("UPDATE alembic_version SET version_num = '9999_from_the_future'")
    before = (tmp_path / "flyball.db").read_bytes()
    with pytest.raises(StoreNewer, match="newer Flyball"):
        open_in(tmp_path)
    assert (tmp_path / "flyball.db").read_bytes() == before


def make_old(folder: Path) -> str:
    """A store at its first revision, with a row; that revision."""
    from alembic import command
    from alembic.config import Config

    from flyball.store.sqlite import WRITES, file_engine

    first = known_revisions()[0]
    engine = file_engine(folder / "flyball.db", patience_s=1)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, first)
        connection.execute(insert(steps), ROW)
    engine.dispose()
    return first


def test_an_upgrade_that_is_killed_before_its_end_left_the_old_store_and_the_next_one_completes_it(
    tmp_path: Path,
) -> None:
    first = make_old(tmp_path)
    program = "import sys; from pathlib import Path; from flyball.core.clock import SystemClock; "
    program += "from flyball.store import Database\n"
    program += "Database.open('sqlite:///flyball.db', SystemClock(), folder=Path(sys.argv[1])).close()"
    environment = {**os.environ, "FLYBALL_FAILPOINT": "store.upgrade:before-commit"}
    command = [sys.executable, "-W", "error", "-c", program, str(tmp_path)]
    assert subprocess.run(command, env=environment, check=False).returncode == -9
    with closing(sqlite3.connect(tmp_path / "flyball.db")) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [(first,)]
        assert raw.execute("SELECT name FROM sqlite_master WHERE name = 'predictions'").fetchall() == []
    with open_in(tmp_path) as database:
        assert StepCache(database).get("k") == {}


def test_an_upgrade_copies_a_store_that_holds_data_first(tmp_path: Path) -> None:
    first = make_old(tmp_path)
    with open_in(tmp_path) as database:
        assert StepCache(database).get("k") == {}
    backups = list(tmp_path.glob("flyball.db.backup-*"))
    assert len(backups) == (0 if len(known_revisions()) == 1 else 1)
    for backup in backups:
        with closing(sqlite3.connect(backup)) as copy:
            assert copy.execute("SELECT version_num FROM alembic_version").fetchall() == [(first,)]
            assert copy.execute("SELECT count(*) FROM steps").fetchone() == (1,)


def test_revisions_are_one_line_and_named_as_their_files() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    walked = [revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()]
    assert walked[::-1] == known_revisions()


def test_the_migrations_make_exactly_the_tables_that_the_code_declares(database: Database) -> None:
    from sqlalchemy import MetaData, create_engine
    from sqlalchemy.pool import StaticPool

    declared = create_engine("sqlite://", poolclass=StaticPool)
    for metadata in (METADATA, LEDGER, REGISTRY):
        metadata.create_all(declared)
    names = [table.name for metadata in (METADATA, LEDGER, REGISTRY) for table in metadata.sorted_tables]
    wanted, made = MetaData(), MetaData()
    wanted.reflect(declared, only=names)
    with database.read() as connection:
        made.reflect(connection, only=names)
    for name in names:
        assert _shape(made, name) == _shape(wanted, name)
    declared.dispose()


def _shape(metadata, name: str) -> tuple[object, ...]:
    table = metadata.tables[name]
    columns = [(c.name, str(c.type), c.nullable, c.primary_key) for c in table.columns]
    return columns, sorted((index.name or "", [c.name for c in index.columns]) for index in table.indexes)


def test_many_processes_may_open_a_new_store_at_once(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from flyball.core.clock import SystemClock; "
        "from flyball.store import Database, StepCache\n"
        "with Database.open('sqlite:///flyball.db', SystemClock(), folder=Path(sys.argv[1])) as database:\n"
        "    StepCache(database).put(sys.argv[2], 'step', {'a': 1})\n"
    )
    arguments = [[sys.executable, "-W", "error", "-c", program, str(tmp_path), str(number)] for number in range(3)]
    running = [subprocess.Popen(argument) for argument in arguments]
    assert [process.wait() for process in running] == [0, 0, 0]
    with open_in(tmp_path) as database:
        assert all(StepCache(database).get(str(number)) == {"a": 1} for number in range(3))


def test_a_step_is_remembered_replaced_and_forgotten(database: Database) -> None:
    cache = StepCache(database)
    assert cache.get("key") is None
    cache.put("key", "train", {"blob": "ab"})
    cache.put("key", "train", {"blob": "cd"})
    assert cache.get("key") == {"blob": "cd"}
    cache.forget("key")
    assert cache.get("key") is None


def test_a_damaged_step_counts_as_absent(database: Database) -> None:
    with database.write("test") as tx:
        tx.execute(insert(steps), {**ROW, "outputs": "{half"})
        tx.execute(insert(steps), {**ROW, "key": "list", "outputs": "[]"})
    assert StepCache(database).get("k") is None
    assert StepCache(database).get("list") is None


def test_a_store_that_is_not_there_is_not_made_for_a_reader(tmp_path: Path) -> None:
    for url in ("sqlite:///flyball.db", "sqlite:///deep/er/flyball.db"):
        with pytest.raises(StoreMissing) as missing:
            Database.open(url, SteppingClock(), folder=tmp_path, create=False)
        assert missing.value.code == "FB-STORE-012"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "flyball.db").touch()
    with pytest.raises(StoreMissing, match="empty"):
        Database.open("sqlite:///flyball.db", SteppingClock(), folder=tmp_path, create=False)
    assert (tmp_path / "flyball.db").read_bytes() == b""


def test_a_store_opened_for_reading_can_be_read_and_not_written(tmp_path: Path) -> None:
    with open_in(tmp_path) as database, database.write("test") as tx:
        tx.execute(insert(steps), ROW)
    before = (tmp_path / "flyball.db").read_bytes()
    with Database.open("sqlite:///flyball.db", SteppingClock(), folder=tmp_path, create=False) as database:
        with database.read() as connection:
            assert len(connection.execute(select(steps)).all()) == 1
        with pytest.raises(StoreUnreachable), database.write("test") as tx:
            tx.execute(insert(steps), {**ROW, "key": "other"})
    assert (tmp_path / "flyball.db").read_bytes() == before


@pytest.mark.parametrize(("revision", "error"), [("0001_spine", StoreOlder), ("9999_later", StoreNewer)])
def test_a_store_of_another_version_is_not_changed_by_a_reader(tmp_path: Path, revision: str, error: type) -> None:
    open_in(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "flyball.db")) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    listed = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(error):
        Database.open("sqlite:///flyball.db", SteppingClock(), folder=tmp_path, create=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == listed
