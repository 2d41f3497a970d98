"""Many writers in several processes, and whoever dies among them: no error of a lock, nothing acknowledged is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flyball.ledger import Draft
from flyball.registry import Registry
from flyball.testing.registries import TESTER, open_registry, register_tiny
from support.postgres import PostgresServer
from support.stores import Store

# Prints what was acknowledged. A store that went away is asked again; any other error ends the process with a trace.
WRITER = """
import sys, threading
from pathlib import Path
from flyball.ledger import Draft
from flyball.store import StoreUnreachable
from flyball.testing.registries import TESTER, open_registry
folder, store, name, threads, entries = sys.argv[1:]
registry = open_registry(Path(folder), store=store)
said = threading.Lock()
failed = []

def append(subject):
    while True:
        try:
            with registry.database.write("test") as tx:
                registry.ledger.append(tx, Draft("test.made", subject, TESTER, payload={"by": subject}))
            return
        except StoreUnreachable:
            continue

def work(number):
    try:
        for entry in range(int(entries)):
            subject = f"{name}/{number}/{entry}"
            append(subject)
            with said:
                print(subject, flush=True)
    except BaseException as error:
        failed.append(error)

workers = [threading.Thread(target=work, args=(number,)) for number in range(int(threads))]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
registry.database.close()
if failed:
    raise failed[0]
"""


def start(store: Store, name: str, *, threads: int, entries: int) -> subprocess.Popen[str]:
    words = [str(store.folder), store.url, name, str(threads), str(entries)]
    return subprocess.Popen([sys.executable, "-W", "error", "-c", WRITER, *words], stdout=subprocess.PIPE, text=True)


def subjects(registry: Registry) -> list[str]:
    return [entry.subject for entry in registry.ledger.entries(what="test.made")]


def finished(process: subprocess.Popen[str]) -> list[str]:
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return said.split()


def test_32_writers_in_two_processes_make_one_unbroken_history(store: Store) -> None:
    open_registry(store.folder, store=store.url).database.close()
    processes = [start(store, name, threads=16, entries=3) for name in ("one", "two")]
    acknowledged = [subject for process in processes for subject in finished(process)]
    assert len(acknowledged) == 96
    registry = open_registry(store.folder, store=store.url, begin=False)
    assert sorted(subjects(registry)) == sorted(acknowledged)
    assert registry.verify().ok
    registry.database.close()


def test_a_writer_that_is_killed_takes_nothing_acknowledged_along_and_blocks_nobody(store: Store) -> None:
    registry = open_registry(store.folder, store=store.url)
    with start(store, "doomed", threads=8, entries=1000) as process:
        acknowledged = [process.stdout.readline().strip() for _ in range(40)]
        process.send_signal(signal.SIGKILL)
        acknowledged += process.stdout.read().split("\n")[:-1]
    assert process.returncode == -signal.SIGKILL
    assert set(acknowledged) <= set(subjects(registry))
    register_tiny(registry)
    assert registry.verify().ok
    registry.database.close()


@pytest.fixture
def mortal() -> Iterator[PostgresServer]:
    """A server that this test alone may kill."""
    with PostgresServer() as server:
        yield server


def test_a_server_killed_in_mid_write_and_started_again_lost_nothing_acknowledged(
    mortal: PostgresServer, tmp_path: Path
) -> None:
    store = Store(mortal.database(), tmp_path, mortal)
    registry = open_registry(tmp_path, store=store.url)
    processes = [start(store, name, threads=4, entries=100) for name in ("one", "two")]
    acknowledged: list[str] = []
    readers = [threading.Thread(target=lambda one=one: acknowledged.extend(one.stdout)) for one in processes]
    for reader in readers:
        reader.start()
    for least in (40, 120, 240):  # each time in the midst of it
        while len(acknowledged) < least:
            assert all(process.poll() is None for process in processes)
            time.sleep(0.005)
        mortal.kill()
        assert len(acknowledged) < 800
        mortal.start()
    for reader, process in zip(readers, processes, strict=True):
        reader.join()
        assert process.wait() == 0
        process.stdout.close()
    assert len(acknowledged) == 800
    found = subjects(registry)
    assert {line.strip() for line in acknowledged} == set(found)
    assert (
        len(found) - len(set(found)) <= 3 * 8
    )  # written, but not acknowledged when the server died, and written again
    with registry.database.write("test") as tx:
        registry.ledger.append(tx, Draft("test.made", "afterwards", TESTER))
    assert registry.verify().ok
    registry.database.close()
