"""What the whole suite shares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.object_store import ObjectServer, object_server
from support.postgres import PostgresServer
from support.stores import Store

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def machines_csv(repository: Path) -> Path:
    """The AI4I 2020 table."""
    return repository / "examples" / "ai4i2020.csv"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL that runs; `postgres.database()` is the URL of an empty database on it."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_store(postgres: PostgresServer) -> str:
    """The name of a database with the tables of a store, to make others like it."""
    from flyball.core.clock import SystemClock
    from flyball.store import Database
    from support.postgres import name_of

    url = postgres.database()
    Database.open(url, SystemClock()).close()
    return name_of(url)


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectServer]:
    """An S3 that runs."""
    with object_server() as server:
        yield server


@pytest.fixture
def bucket(object_store: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The place of an empty bucket, with what the environment must say to reach it."""
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    return object_store.bucket()


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store of the test's own, in each kind of database; on the server it has its tables already."""
    if request.param == "sqlite":
        yield Store("sqlite:///flyball.db", tmp_path)
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.database(like=request.getfixturevalue("postgres_store"))
    yield Store(url, tmp_path, server)
    server.drop(url)
