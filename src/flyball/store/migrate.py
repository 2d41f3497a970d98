"""Bring a store to this version's tables: numbered steps, each store walks them once, forwards."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from flyball.core.failpoints import failpoint
from flyball.store.errors import StoreForeign, StoreMissing, StoreNewer, StoreOlder

__all__ = ["MIGRATIONS", "check_revision", "known_revisions", "outdated", "upgrade"]

MIGRATIONS = Path(__file__).parent / "migrations"


def known_revisions() -> list[str]:
    """Every revision, oldest first. A revision's id is its file's name, so that Alembic need not be loaded to know."""
    return sorted(path.stem for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def outdated(connection: Connection, where: str) -> str | None:
    """None when the tables are those of this version; else the revision that they are at, "" when there are none.

    Raises StoreNewer, StoreForeign.
    """
    known, current = known_revisions(), _current(connection, where)
    if current == known[-1]:
        return None
    if current is not None and current not in known:
        raise _newer(current, known[-1], where)
    return current or ""


def upgrade(connection: Connection, *, to: str = "head") -> None:
    """Walk all steps that are left, in the write transaction that `connection` is in: a crash leaves the old store.

    to: the revision to stop at.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
    failpoint("store.upgrade:before-commit")


def check_revision(connection: Connection, where: str) -> None:
    """That the store is one of this version, without changing it.

    Raises StoreMissing when it is empty, StoreOlder, StoreNewer, StoreForeign.
    """
    found = outdated(connection, where)
    if found == "":
        raise StoreMissing("the store is empty", where=where, fix="put back a backup of it")
    if found is not None:
        raise StoreOlder(
            "this store was written by an older Flyball",
            where=where,
            why=f"it is at revision {found}, this version needs {known_revisions()[-1]}; here it is only read, so not upgraded",
            fix="run `flyball status` once: it makes a copy and upgrades the store",
        )


def _newer(current: str, newest: str, where: str) -> StoreNewer:
    return StoreNewer(
        "this store was written by a newer Flyball",
        where=where,
        why=f"it is at revision {current}; this version knows revisions up to {newest}",
        fix="upgrade flyball, or open a copy of the store that an older version wrote",
    )


def _current(connection: Connection, where: str) -> str | None:
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    revision = None
    if "alembic_version" in tables:
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    if revision is None:
        raise StoreForeign(
            "this database was not made by Flyball",
            where=where,
            why="it holds tables, but no record of Flyball's revisions: " + ", ".join(sorted(tables)[:5]),
            fix="name another file, database or schema as `store` in flyball.toml",
        )
    return str(revision)
