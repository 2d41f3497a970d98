from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from flyball.testing.databases import DatabaseContract
from support.postgres import PostgresServer


class TestSqliteDatabase(DatabaseContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/store.db"

    def behind(self, url: str, statement: str) -> None:
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as raw, raw:
            raw.execute(statement)


class TestPostgresDatabase(DatabaseContract):
    @pytest.fixture(autouse=True)
    def server(self, postgres: PostgresServer) -> None:
        self._server = postgres

    @pytest.fixture
    def url(self, postgres: PostgresServer) -> str:
        return postgres.database()

    def behind(self, url: str, statement: str) -> None:
        self._server.sql(url, statement)
