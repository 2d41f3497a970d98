"""A store in a PostgreSQL database: the only file that knows its driver, psycopg 3."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Column, Connection, Engine, Text, create_engine, text
from sqlalchemy.dialects.postgresql.base import PGDDLCompiler
from sqlalchemy.exc import DBAPIError, OperationalError

from flyball.core.clock import Clock
from flyball.store.backend import DRIVER_ERRORS, Sizes
from flyball.store.contents import LARGE_TABLES
from flyball.store.errors import StoreUnsupported
from flyball.store.leases import LeasePresence
from flyball.store.migrate import check_revision, outdated, upgrade
from flyball.store.postgres_errors import broken, explain, is_starting
from flyball_runtime.errors import FlyballError

__all__ = ["PostgresBackend"]

# Any number will do that no other program locks; it counts within one database only.
_WRITE_LOCK = 0x2E6D_91A4_5C07_F3B8
_RESTART_S = 15.0  # how long a server that was there before may take to come back
_POLL_S = 0.1
_READERS = 20
# A peer that vanished without a word is noticed within a minute, on either side.
_ALIVE = {"keepalives_idle": 20, "keepalives_interval": 10, "keepalives_count": 4}
_SESSION = "-c tcp_keepalives_idle=20 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=4"
# An administrator may have traded durability for speed; our commits wait for the disk all the same.
_BEGIN_WRITE = text(
    "SELECT set_config('lock_timeout', :patience, true), set_config('synchronous_commit',"
    " CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, true)"
)
_TABLES = "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema()"


class PostgresBackend:
    """Keeps `Backend`'s promises with an advisory lock that ends with its transaction, and REPEATABLE READ for readers.

    The lock spans every process and machine that uses the database. Writers and readers have connections of their own, so
    that readers cannot keep a writer from beginning. A server that restarts is waited for, at most 15 seconds; what was
    under way is lost and told, and the next transaction gets a new connection.
    """

    file: Path | None = None

    def __init__(self, url: URL, *, folder: Path, patience_s: float, reads_only: bool = False) -> None:
        self.location = _shown(url)
        self._folder = folder
        self._password = url.password
        self._patience_s = patience_s
        self._reads_only = reads_only
        self._reached = False
        self._presence: LeasePresence | None = None
        self._writers = _engine(url, size=1, more=4, patience_s=patience_s)
        self._readers = _engine(url, size=4, more=_READERS - 4, patience_s=patience_s)
        # A store that nobody closed lets go of its connections all the same.
        self._end = weakref.finalize(self, _dispose, self._writers, self._readers)
        self._snapshots = self._readers.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def prepare(self, clock: Clock) -> None:
        """All steps are one transaction under the write lock: whoever comes second finds them done.

        A store that holds data is first copied into an SQLite file in the folder.
        """
        with self.read() as connection:
            encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
            if encoding != "UTF8":
                raise StoreUnsupported(
                    f"the database keeps text as {encoding}", where=self.location,
                    why="names and reasons may be in any script, so a store needs UTF8",
                    fix="make one that does: createdb --encoding UTF8 --template template0 NAME",
                )  # fmt: skip
            if outdated(connection, self.location) is None:
                return
        with self.write() as connection:
            found = outdated(connection, self.location)
            if found:
                self._keep(found, clock)
            if found is not None:
                upgrade(connection)

    def _keep(self, revision: str, clock: Clock) -> None:
        from flyball.store.copying import keep_copy

        moment = clock.now().strftime("%Y%m%dT%H%M%SZ")
        with self.read() as connection:  # nobody can write meanwhile
            keep_copy(connection, self._folder / f"store.backup-{revision}-{moment}", revision)

    def check(self) -> None:
        with self.read() as connection:
            check_revision(connection, self.location)

    @contextmanager
    def write(self, *, wait: bool = True) -> Iterator[Connection]:
        patience_s = self._patience_s if wait else 0.0
        options = {"postgresql_readonly": True} if self._reads_only else {}
        with self._connect(self._writers.execution_options(**options)) as connection:
            transaction = connection.begin()
            try:
                connection.execute(_BEGIN_WRITE, {"patience": str(max(1, int(patience_s * 1000)))})
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _WRITE_LOCK})
                yield connection
            except BaseException:
                transaction.rollback()
                raise
            try:
                transaction.commit()
            except DBAPIError as error:
                if broken(error):
                    raise self._unknown(error) from error
                raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self._connect(self._snapshots) as connection, connection.begin():
            yield connection

    @contextmanager
    def inspect(self) -> Iterator[Connection]:
        with self.read() as connection:
            yield connection

    def integrity(self, *, quick: bool) -> list[str]:
        """Pages whose checksum failed and indexes that are not valid; with amcheck in the database, the indexes' order."""
        invalid = f"SELECT c.relname {_TABLES} AND c.oid IN (SELECT indexrelid FROM pg_index WHERE NOT indisvalid)"  # noqa: S608
        failed = "SELECT checksum_failures FROM pg_stat_database WHERE datname = current_database()"
        with self.read() as connection:
            count = connection.execute(text(failed)).scalar()
            found = [f"the checksum of {count} pages failed"] if count else []
            found += [f"index {name} is not valid" for name in connection.execute(text(invalid)).scalars()]
            if not quick:
                found += _amcheck(connection)
        return found

    def explain(self, error: Exception) -> FlyballError | None:
        return explain(error, self.location, self._password)

    def snapshot(self, target: Path, on_progress: Callable[[float], None] | None) -> None:
        from flyball.store.copying import copy_to_file

        with self.read() as connection:
            copy_to_file(connection, target, on_progress)

    def sizes(self) -> Sizes:
        total = f"SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) {_TABLES} AND c.relkind = 'r'"
        dead = (
            "SELECT coalesce(sum(pg_relation_size(relid) * n_dead_tup / greatest(1, n_live_tup + n_dead_tup)), 0)"
            " FROM pg_stat_user_tables WHERE schemaname = current_schema()"
        )
        with self.read() as connection:
            return Sizes(*(int(connection.execute(text(query)).scalar_one()) for query in (total, dead)))

    def reclaim(self, *, whole: bool) -> bool:
        """Write the tables anew, those that grow without end only if `whole`. What the server's own log and its replicas
        still hold is the server's to recycle. False when readers kept a table longer than the patience.
        """
        query = text(f"SELECT c.relname {_TABLES} AND c.relkind = 'r' ORDER BY 1")
        with self._connect(self._writers.execution_options(isolation_level="AUTOCOMMIT")) as connection:
            names = [name for name in connection.execute(query).scalars() if whole or name not in LARGE_TABLES]
            connection.execute(
                text("SELECT set_config('lock_timeout', :patience, false)"),
                {"patience": str(int(self._patience_s * 1000))},
            )
            try:
                for name in names:
                    connection.exec_driver_sql(f'VACUUM (FULL, ANALYZE) "{name}"')
            except OperationalError as error:
                if getattr(error.orig, "sqlstate", None) == "55P03":
                    return False
                raise
            finally:
                connection.invalidate()  # it must not keep the time-out that was set for it
        return True

    def presence(self) -> LeasePresence:
        self._presence = self._presence or LeasePresence(self._writers)
        return self._presence

    def close(self) -> None:
        if self._presence is not None:
            self._presence.close()
        self._end()

    def _connect(self, engine: Engine) -> Connection:
        """A connection; a server that is starting, or that was reached before, is waited for."""
        begun = time.monotonic()
        while True:
            try:
                connection = engine.connect()
            except OperationalError as error:
                waited = time.monotonic() - begun
                if waited > min(self._patience_s, _RESTART_S) or not (self._reached or is_starting(error)):
                    raise
                time.sleep(_POLL_S)
            else:
                self._reached = True
                return connection

    def _unknown(self, error: DBAPIError) -> FlyballError:
        coded = explain(error, self.location, self._password)
        assert coded is not None
        coded.why = f"{coded.why}; it broke while the change was being committed, so it may be in the store or not"
        coded.fix = "look whether the change is there before you repeat it"
        return coded


class _Columns(PGDDLCompiler):
    """Text sorts and compares byte by byte, as it does in SQLite, whatever language the database was made for."""

    def get_column_specification(self, column: Column[object], **kwargs: object) -> str:
        made: str = super().get_column_specification(column, **kwargs)  # type: ignore[no-untyped-call]
        if not isinstance(column.type, Text) or column.type.collation is not None:
            return made
        name = self.preparer.format_column(column)
        return made.replace(f"{name} TEXT", f'{name} TEXT COLLATE "C"', 1)


def _dispose(*engines: Engine) -> None:
    for engine in engines:
        engine.dispose()


def _engine(url: URL, *, size: int, more: int, patience_s: float) -> Engine:
    options = url.query.get("options", "")
    given = {"connect_timeout": 10, "application_name": "flyball", "client_encoding": "utf8", **_ALIVE}
    arguments = {name: value for name, value in given.items() if name not in url.query}
    try:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg").difference_update_query(["options"]),
            connect_args={**arguments, "options": f"{options} {_SESSION}"},
            pool_size=size,
            max_overflow=more,
            pool_timeout=patience_s,
            pool_pre_ping=True,
        )
    except ModuleNotFoundError as error:
        raise StoreUnsupported(
            "PostgreSQL needs a package that is not installed", where=_shown(url), why=str(error),
            fix='pip install "flyball[postgres]"',
        ) from error  # fmt: skip
    engine.dialect.ddl_compiler = _Columns
    return engine


def _shown(url: URL) -> str:
    """The URL without a password, nor whatever secret a parameter may carry."""
    return url.set(query={}).render_as_string(hide_password=True)


def _amcheck(connection: Connection) -> list[str]:
    """What amcheck finds wrong with the order of the indexes; nothing where it is not installed, or not allowed."""
    home = (
        "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'amcheck'"
    )
    schema = connection.execute(text(home)).scalar()
    if schema is None:
        return []
    names = connection.execute(text(f"SELECT c.relname {_TABLES} AND c.relkind = 'i' ORDER BY 1")).scalars().all()
    found: list[str] = []
    for name in names:
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(f'SELECT "{schema}".bt_index_check(\'"{name}"\'::regclass)')
        except DRIVER_ERRORS as error:
            cause = getattr(error, "orig", None) or error
            if getattr(cause, "sqlstate", "") == "42501":
                return found
            found.append(f"index {name}: {str(cause).splitlines()[0]}")
    return found
