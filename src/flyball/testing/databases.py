"""The law of `Database` over every `Backend` as tests: inherit `DatabaseContract`, give `url` and `behind`.

class TestMyDatabase(DatabaseContract):
    @pytest.fixture
    def url(self, tmp_path): return f"sqlite:///{tmp_path}/store.db"

    def behind(self, url, statement): ...  # run one statement on the database, behind the store's back
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from flyball.store import (
    Database,
    Prepared,
    StepCache,
    StoreBusy,
    StoreDamaged,
    StoreForeign,
    StoreMissing,
    StoreNewer,
    StoreOlder,
    StoreUnreachable,
    Transaction,
    Write,
)
from flyball.store.contents import row_counts
from flyball.store.migrate import known_revisions
from flyball.store.tables import steps
from flyball.testing.registries import SteppingClock

__all__ = ["DatabaseContract"]

PUT = Prepared("INSERT INTO steps (key, name, outputs, created) VALUES (:key, :name, :outputs, :created)")
COUNT = Prepared("SELECT count(*) FROM steps WHERE key = :key")


def row(key: str, outputs: str = "{}") -> dict[str, str]:
    """One row for the table of steps, which stands for any table here."""
    return {"key": key, "name": "n", "outputs": outputs, "created": "now"}


class DatabaseContract:
    """What every database promises, wherever it keeps its tables."""

    def behind(self, url: str, statement: str) -> None:
        """Run one SQL statement on the database at `url`, behind the store's back, and commit it."""
        raise NotImplementedError("say how a statement reaches this database")

    def opened(self, url: str, folder: Path, *, patience_s: float = 30.0, create: bool = True) -> Database:
        """The store at `url`."""
        return Database.open(url, SteppingClock(), folder=folder, patience_s=patience_s, create=create)

    @pytest.fixture
    def database(self, url: str, tmp_path: Path) -> Iterator[Database]:
        """A store that was just made."""
        with self.opened(url, tmp_path) as database:
            yield database

    def test_a_write_that_raises_leaves_nothing_and_calls_nobody(self, database: Database) -> None:
        called: list[int] = []
        with pytest.raises(ZeroDivisionError), database.write("test") as tx:
            tx.execute(insert(steps), row("k"))
            tx.after_commit(lambda: called.append(1))
            raise ZeroDivisionError
        with database.read() as reader:
            assert reader.execute(select(steps)).all() == []
        assert called == []

    def test_callbacks_run_once_the_row_is_visible_to_others(self, database: Database) -> None:
        seen: list[list[str]] = []

        def look() -> None:
            with database.read() as reader:
                seen.append(list(reader.execute(select(steps.c.key)).scalars()))

        with database.write("test") as tx:
            tx.execute(insert(steps), row("k"))
            tx.after_commit(look)
            look()
        assert seen == [[], ["k"]]

    def test_a_reader_sees_one_instant(self, database: Database) -> None:
        with database.read() as reader:
            assert reader.execute(select(steps)).all() == []
            with database.write("test") as tx:
                tx.execute(insert(steps), row("k"))
            assert reader.execute(select(steps)).all() == []

    def test_a_writer_sees_what_was_committed_while_it_waited(
        self, database: Database, url: str, tmp_path: Path
    ) -> None:
        waits = threading.Event()

        def count() -> int:
            with self.opened(url, tmp_path) as other:
                waits.set()
                with other.write("second") as tx:
                    return len(tx.execute(select(steps)).all())

        with ThreadPoolExecutor(1) as pool:
            with database.write("first") as tx:
                second = pool.submit(count)
                assert waits.wait(30)
                tx.execute(insert(steps), row("k"))
            assert second.result() == 1

    def test_writes_that_share_a_transaction_each_succeed_or_fail_alone(self, database: Database) -> None:
        def put(key: str) -> Write[str]:
            def work(tx: Transaction) -> str:
                tx.execute(insert(steps), row(key))
                if key == "bad":
                    raise ZeroDivisionError
                return key

            return Write("test", work)

        assert [done.value for done in database.apply_all([put("a"), put("b")])] == ["a", "b"]
        assert [done.value for done in database.apply_now([put("c"), put("d")]) or []] == ["c", "d"]
        assert database.apply_now([put("e"), put("bad")]) is None
        good, bad, twice = database.apply_all([put("e"), put("bad"), put("a")])
        assert good.value == "e"
        with pytest.raises(ZeroDivisionError):
            _ = bad.value
        with pytest.raises(IntegrityError):
            _ = twice.value
        with pytest.raises(ZeroDivisionError):
            database.apply(put("bad"))
        with database.read() as reader:
            assert sorted(reader.execute(select(steps.c.key)).scalars()) == ["a", "b", "c", "d", "e"]

    def test_a_write_that_must_not_wait_leaves_a_taken_lock_alone(
        self, database: Database, url: str, tmp_path: Path
    ) -> None:
        write = Write("test", lambda tx: tx.rows(COUNT, {"key": "k"})[0][0])
        with self.opened(url, tmp_path) as other:
            with other.write("first") as tx:
                assert database.apply_now([write]) is None
                tx.each(PUT, [row("k"), row("l")])
            assert [done.value for done in database.apply_now([write]) or []] == [1]

    def test_writing_inside_a_write_is_refused_at_once(self, database: Database) -> None:
        with database.write("outer"), pytest.raises(RuntimeError, match="already inside"), database.write("inner"):
            pass
        with database.write("afterwards") as tx:
            tx.execute(insert(steps), row("k"))

    def test_writers_in_many_threads_queue_and_none_is_lost(self, database: Database) -> None:
        cache = StepCache(database)

        def work(number: int) -> None:
            for step in range(5):
                cache.put(f"{number}/{step}", "step", {"number": number})

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        assert [cache.get(f"{number}/4") for number in range(8)] == [{"number": number} for number in range(8)]

    def test_a_store_that_stays_locked_is_a_coded_error(self, database: Database, url: str, tmp_path: Path) -> None:
        with self.opened(url, tmp_path, patience_s=0.1) as other:
            with database.write("first"), pytest.raises(StoreBusy) as caught, other.write("second"):
                pass
            assert caught.value.code == "FB-STORE-003"
            with other.write("third") as tx:
                tx.execute(insert(steps), row("k"))

    def test_readers_do_not_wait_for_a_writer_however_many_there_are(self, database: Database) -> None:
        def count(_: int) -> int:
            with database.read() as reader:
                return len(reader.execute(select(steps)).all())

        with database.write("test") as tx:
            tx.execute(insert(steps), row("k"))
            with ThreadPoolExecutor(16) as pool:
                assert list(pool.map(count, range(40))) == [0] * 40

    def test_openers_at_once_make_one_store(self, url: str, tmp_path: Path) -> None:
        def put(number: int) -> None:
            with self.opened(url, tmp_path) as database:
                StepCache(database).put(str(number), "step", {"number": number})

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(put, range(4)))
        with self.opened(url, tmp_path) as database:
            assert [StepCache(database).get(str(number)) for number in range(4)] == [{"number": n} for n in range(4)]

    def test_text_bytes_and_numbers_come_back_as_they_were_and_text_sorts_by_its_bytes(
        self, database: Database
    ) -> None:
        keys = ["a", "B", "b", "ä", "Z", "_", "-", "1", "10", "2", "a b", "ab", "日本", "\U0001f600", "", "'\"%:x"]
        with database.write("test") as tx:
            tx.execute(insert(steps), [row(key, outputs=key * 3) for key in keys])
        with database.read() as reader:
            found = reader.execute(select(steps.c.key, steps.c.outputs).order_by(steps.c.key)).all()
            above = reader.execute(select(steps.c.key).where(steps.c.key > "a").order_by(steps.c.key)).scalars().all()
        assert [(one.key, one.outputs) for one in found] == [(key, key * 3) for key in sorted(keys, key=str.encode)]
        assert list(above) == [key for key in sorted(keys, key=str.encode) if key.encode() > b"a"]

    def test_a_store_that_is_not_there_is_not_made_for_a_reader(self, url: str, tmp_path: Path) -> None:
        for _ in range(2):
            with pytest.raises(StoreMissing) as missing:
                self.opened(url, tmp_path, create=False)
            assert missing.value.code == "FB-STORE-012"

    def test_a_store_opened_for_reading_can_be_read_and_not_written(
        self, database: Database, url: str, tmp_path: Path
    ) -> None:
        StepCache(database).put("k", "n", {})
        with self.opened(url, tmp_path, create=False) as other:
            assert StepCache(other).get("k") == {}
            with pytest.raises(StoreUnreachable), other.write("test") as tx:
                tx.execute(insert(steps), row("other"))
        assert StepCache(database).get("other") is None

    @pytest.mark.parametrize(("revision", "error"), [("0001_spine", StoreOlder), ("9999_later", StoreNewer)])
    def test_a_store_of_another_version_is_not_changed_by_a_reader(
        self, url: str, tmp_path: Path, revision: str, error: type[Exception]
    ) -> None:
        self.opened(url, tmp_path).close()
        self.behind(url, f"UPDATE alembic_version SET version_num = '{revision}'")  # noqa: S608 - ours
        for create in (False, error is StoreNewer):
            with pytest.raises(error):
                self.opened(url, tmp_path, create=create)
        self.behind(url, f"UPDATE alembic_version SET version_num = '{known_revisions()[-1]}'")  # noqa: S608
        self.opened(url, tmp_path, create=False).close()

    def test_another_programs_database_is_left_alone(self, url: str, tmp_path: Path) -> None:
        self.behind(url, "CREATE TABLE theirs (x INTEGER)")
        with pytest.raises(StoreForeign, match="not made by Flyball"):
            self.opened(url, tmp_path)

    def test_a_table_that_is_gone_is_damage(self, database: Database, url: str) -> None:
        self.behind(url, "DROP TABLE steps")
        with pytest.raises(StoreDamaged, match="audit rebuild"):
            StepCache(database).get("k")

    def test_a_healthy_store_says_so_and_tells_its_size(self, database: Database) -> None:
        assert database.integrity() == []
        assert database.integrity(quick=True) == []
        assert database.size_bytes() > 0
        assert database.unused_bytes() >= 0

    def test_space_of_deleted_rows_is_given_back(self, database: Database) -> None:
        cache = StepCache(database)
        with database.write("test") as tx:
            tx.execute(insert(steps), [row(f"{number:04}", outputs=f"{number:09}" * 200) for number in range(2_000)])
        filled = database.size_bytes()
        assert cache.forget_older("z", unless=lambda: False)
        assert database.compact()
        assert database.size_bytes() < filled / 2
        assert database.scrub()

    def test_a_snapshot_is_a_store_of_one_instant_whatever_is_written_meanwhile(
        self, database: Database, tmp_path: Path
    ) -> None:
        with database.write("test") as tx:
            tx.execute(insert(steps), [row(f"{number:05}") for number in range(3_000)])
        done: list[float] = []

        def writes(fraction: float) -> None:
            if not done:
                StepCache(database).put("later", "n", {})
            done.append(fraction)

        database.snapshot(tmp_path / "copy.db", writes)
        assert done[-1] == 1.0
        with (
            Database.open(f"sqlite:///{tmp_path}/copy.db", SteppingClock(), create=False) as copy,
            copy.read() as reader,
        ):
            assert row_counts(reader)["steps"] == 3_000
        assert StepCache(database).get("later") == {}

    def test_a_name_is_held_from_the_commit_on_until_it_is_released(
        self, database: Database, url: str, tmp_path: Path
    ) -> None:
        with self.opened(url, tmp_path) as other:
            assert not other.presence.held("run-1")
            with database.write("test") as tx:
                database.presence.hold(tx, "run-1")
            assert other.presence.held("run-1")
            assert database.presence.held("run-1")
            database.presence.release("run-1")
            assert not other.presence.held("run-1")
            other.presence.release("run-1")
