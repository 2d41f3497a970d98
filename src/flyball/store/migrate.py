"""Bring a store to this version's tables: numbered steps, each store walks them once, forwards."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from flyball.core.clock import Clock
from flyball.store.errors import StoreForeign, StoreMissing, StoreNewer, StoreOlder
from flyball.store.sqlite import WRITES, copy_store

__all__ = ["MIGRATIONS", "check_revision", "known_revisions", "migrate"]

MIGRATIONS = Path(__file__).parent / "migrations"


def known_revisions() -> list[str]:
    """Every revision, oldest first. A revision's id is its file's name, so that Alembic need not be loaded to know."""
    return sorted(path.stem for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def migrate(engine: Engine, path: Path, clock: Clock) -> None:
    """Upgrade the store at `path`; a store that holds data is copied beside itself first.

    All steps are one transaction: a crash leaves the old store. The caller holds the opening lock.
    Raises StoreNewer, StoreForeign.
    """
    known = known_revisions()
    with engine.connect() as connection:
        current = _current(connection, path)
    if current == known[-1]:
        return
    if current is not None and current not in known:
        raise _newer(current, known[-1], path)
    if current is not None:
        moment = clock.now().strftime("%Y%m%dT%H%M%SZ")
        copy_store(path, path.with_name(f"{path.name}.backup-{current}-{moment}"))
    _upgrade(engine)


def check_revision(engine: Engine, path: Path) -> None:
    """That the store is one of this version, without changing it.

    Raises StoreMissing when it is empty, StoreOlder, StoreNewer, StoreForeign.
    """
    newest = known_revisions()[-1]
    with engine.connect() as connection:
        current = _current(connection, path)
    if current is None:
        raise StoreMissing("the store is empty", where=str(path), fix="put back a backup of this file")
    if current not in known_revisions():
        raise _newer(current, newest, path)
    if current != newest:
        raise StoreOlder(
            "this store was written by an older Flyball",
            where=str(path),
            why=f"it is at revision {current}, this version needs {newest}; here it is only read, so not upgraded",
            fix="run `flyball status` once: it makes a backup and upgrades the store",
        )


def _newer(current: str, newest: str, path: Path) -> StoreNewer:
    return StoreNewer(
        "this store was written by a newer Flyball",
        where=str(path),
        why=f"it is at revision {current}; this version knows revisions up to {newest}",
        fix="upgrade flyball, or open a copy of the store that an older version wrote",
    )


def _current(connection: Connection, path: Path) -> str | None:
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    revision = None
    if "alembic_version" in tables:
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    if revision is None:
        raise StoreForeign(
            "this database was not made by Flyball",
            where=str(path),
            why="it holds tables, but no record of Flyball's revisions: " + ", ".join(sorted(tables)[:5]),
            fix="name another file as `store` in flyball.toml",
        )
    return str(revision)


def _upgrade(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
