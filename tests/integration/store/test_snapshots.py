"""A snapshot is one instant of a store in use; a store that is written anew keeps no trace of what went."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, func, insert, select

from flyball.store import Database, StepCache
from flyball.store.contents import named_digests, row_counts
from flyball.store.tables import steps
from flyball.testing.registries import SteppingClock


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database.open("sqlite:///flyball.db", SteppingClock(), folder=tmp_path) as opened:
        yield opened


def rows(*keys: str, size: int = 2000) -> list[dict[str, str]]:
    return [{"key": key, "name": "n", "outputs": f"{key}-" * (size // 10), "created": "now"} for key in keys]


def test_a_snapshot_under_writes_is_one_instant_whole_and_holds_all_that_came_before(
    database: Database, tmp_path: Path
) -> None:
    """Rows come in pairs, one transaction each: no snapshot may hold half a pair."""
    with database.write("test") as tx:
        tx.execute(insert(steps), rows(*(f"fill{number:05d}" for number in range(12_000))))  # several steps to copy
    over, written = threading.Event(), [0]

    def write() -> None:
        while not over.is_set():
            with database.write("test") as tx:
                tx.execute(insert(steps), rows(f"a{written[0]}", f"b{written[0]}", size=10))
            written[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(4):
            before, told = written[0], list[float]()
            target = tmp_path / f"copy{number}.db"
            database.snapshot(target, told.append)
            assert len(told) > 1
            assert told == sorted(told)
            assert told[-1] == 1.0
            with Database.open(f"sqlite:///{target}", SteppingClock(), create=False) as copy:
                assert copy.integrity() == []
                with copy.read() as reader:
                    pairs = [reader.execute(select(func.count()).where(steps.c.key.like(f"{one}%"))).scalar_one()
                             for one in ("a", "b")]  # fmt: skip
                assert pairs[0] == pairs[1] >= before
    finally:
        over.set()
        writer.join()


def test_a_store_written_anew_is_smaller_and_keeps_no_byte_of_removed_rows(database: Database, tmp_path: Path) -> None:
    with database.write("test") as tx:
        tx.execute(insert(steps), rows(*(f"doomed{number}" for number in range(500)), "kept"))
    before = database.size_bytes()
    with database.write("test") as tx:
        tx.execute(delete(steps).where(steps.c.key.like("doomed%")))
    assert database.unused_bytes() > before / 4
    assert database.compact()
    assert database.unused_bytes() == 0
    assert database.size_bytes() < before / 3
    held = b"".join(path.read_bytes() for path in tmp_path.glob("flyball.db*"))
    assert b"doomed" not in held
    assert b"kept-kept" in held


def test_old_steps_are_forgotten_unless_somebody_needs_them(database: Database) -> None:
    cache = StepCache(database)
    cache.put("old", "read", {"artifact": "ab" * 32})
    cache.put("young", "read", {"artifact": "cd" * 32})
    with database.read() as reader:
        times = sorted(reader.execute(select(steps.c.created)).scalars())
        assert named_digests(reader) == {"ab" * 32, "cd" * 32}
        assert named_digests(reader, steps_since=times[1]) == {"cd" * 32}
        assert row_counts(reader)["steps"] == 2
    assert cache.older(times[1])[0] == 1
    assert not cache.forget_older(times[1], unless=lambda: True)
    assert cache.get("old") is not None
    assert cache.forget_older(times[1], unless=lambda: False)
    assert (cache.get("old"), cache.get("young") is None) == (None, False)
