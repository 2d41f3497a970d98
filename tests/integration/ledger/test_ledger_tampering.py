"""Every way in which a store can be falsified is named by the audit."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flyball.ledger import Draft, KeyRing, Verification
from flyball.registry import Registry
from flyball.testing.registries import TESTER, open_registry, register_tiny
from flyball_runtime.errors import FlyballError

TABLES = {
    "ledger_entries": "seq",
    "ledger_payloads": "seq",
    "ledger_checkpoints": "size",
    "ledger_head": "id",
    "signing_keys": "id",
    "dataset_versions": "version",
    "models": "name",
    "model_versions": "number",
    "aliases": "alias",
    "alias_history": "seq",
    "runs": "id",
}


def fill(registry: Registry) -> None:
    """One row or more in every table."""
    ring = KeyRing(registry.ledger)
    data = registry.artifacts.put(b"rows")
    registry.record_dataset("telemetry", "ab" * 32, data, {"rows": 4}, TESTER)
    run = registry.start_run("learn", {"budget": 60}, TESTER)
    register_tiny(registry, run_id=run)
    registry.move_alias("machines", "production", 1, TESTER, "first", payload={"gate": "passed"})
    ring.rotate(TESTER, "yearly")
    register_tiny(registry, content="better")
    registry.ledger.erase(registry.version("machines", 2).seq, "asked", TESTER)
    ring.revoke(ring.list()[0].id, TESTER, "leaked")
    registry.finish_run(run, "done", {"roc_auc": 0.9}, {"version": "machines@1"})


@pytest.fixture(scope="module")
def model_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    registry = open_registry(folder)
    fill(registry)
    assert registry.verify().ok
    registry.database.close()
    return folder


@pytest.fixture
def project(model_project: Path, tmp_path: Path) -> Path:
    return shutil.copytree(model_project, tmp_path / "project")


@pytest.fixture
def registry(project: Path) -> Iterator[Registry]:
    opened = open_registry(project)
    yield opened
    opened.database.close()


def edit(registry: Registry, *statements: str) -> None:
    with closing(sqlite3.connect(registry.database.path)) as raw, raw:
        for statement in statements:
            assert raw.execute(statement).rowcount != 0, statement


def found(verification: Verification) -> set[tuple[str, str]]:
    return {(problem.code, problem.where) for problem in verification.problems}


def variants(value: object, rng: random.Random) -> Iterator[object]:
    """The value with one byte changed (first, last and some between), with another type, and as NULL."""
    if value is None:
        yield "2026-01-01T00:00:00.000000Z"
        return
    if isinstance(value, int):
        yield from (value + 1, value + 2**40, str(value) + "x")
        return
    raw = value if isinstance(value, bytes) else str(value).encode()
    for position in {0, len(raw) - 1, *rng.sample(range(len(raw)), min(2, len(raw)))} if raw else ():
        flipped = raw[:position] + bytes([raw[position] ^ (1 << rng.randrange(8))]) + raw[position + 1 :]
        yield flipped if isinstance(value, bytes) else _Text(flipped)
    yield raw + b"\x00" if isinstance(value, bytes) else _Text(raw + b" ")
    yield str(value) if isinstance(value, bytes) else raw


class _Text(bytes):
    """Bytes to be stored as text, whether or not they are UTF-8."""


@pytest.mark.parametrize("table", sorted(TABLES))
def test_any_change_of_any_column_of_any_row_is_named(registry: Registry, table: str) -> None:
    rng = random.Random(table)
    tried = 0
    with closing(sqlite3.connect(registry.database.path, isolation_level=None)) as raw:
        raw.execute("PRAGMA synchronous = OFF")
        columns = [row[1] for row in raw.execute(f"PRAGMA table_info({table})")]
        rows = raw.execute(f"SELECT rowid, * FROM {table}").fetchall()
        assert rows
        for row in rows if len(rows) < 5 else [rows[0], rows[-1], *rng.sample(rows[1:-1], 2)]:
            for column, value in zip(columns, row[1:], strict=True):
                for other in variants(value, rng):
                    mark = "CAST(? AS TEXT)" if isinstance(other, _Text) else "?"
                    stored = bytes(other) if isinstance(other, _Text) else other
                    try:
                        raw.execute(f'UPDATE {table} SET "{column}" = {mark} WHERE rowid = ?', (stored, row[0]))
                    except sqlite3.IntegrityError:  # another row has this key, or the column takes no such type
                        continue
                    moved = stored if [column] == columns[:1] and isinstance(value, int) else row[0]
                    verification = registry.verify()
                    assert not verification.ok, (column, value, other)
                    raw.execute(f'UPDATE {table} SET "{column}" = ? WHERE rowid = ?', (value, moved))
                    tried += 1
    assert tried > len(columns)
    assert registry.verify().ok


def test_every_single_byte_of_an_entry_of_a_payload_and_of_a_checkpoint_is_guarded(registry: Registry) -> None:
    cells = [
        ("ledger_entries", "body", "seq = 5", "FB-AUDIT-003"),
        ("ledger_payloads", "salt", "seq = 4", "FB-AUDIT-006"),
        ("ledger_checkpoints", "signature", "size = 5", "FB-AUDIT-009"),
    ]
    with closing(sqlite3.connect(registry.database.path, isolation_level=None)) as raw:
        raw.execute("PRAGMA synchronous = OFF")
        for table, column, row, code in cells:
            value = raw.execute(f"SELECT {column} FROM {table} WHERE {row}").fetchone()[0]
            for position in range(0, len(value), 1 if len(value) < 100 else 8):
                flipped = value[:position] + bytes([value[position] ^ 1]) + value[position + 1 :]
                raw.execute(f"UPDATE {table} SET {column} = ? WHERE {row}", (flipped,))
                codes = {problem.code for problem in registry.ledger.verify().problems}
                assert code in codes, (table, position)
            raw.execute(f"UPDATE {table} SET {column} = ? WHERE {row}", (value,))
    assert registry.verify().ok


@pytest.mark.parametrize("table", sorted(set(TABLES) - {"ledger_head"}))
def test_a_deleted_row_is_named_wherever_it_was(registry: Registry, table: str) -> None:
    with closing(sqlite3.connect(registry.database.path, isolation_level=None)) as raw:
        names = [row[1] for row in raw.execute(f"PRAGMA table_info({table})")]
        for row in raw.execute(f"SELECT rowid, * FROM {table}").fetchall():
            raw.execute(f"DELETE FROM {table} WHERE rowid = ?", row[:1])
            assert not registry.verify().ok, row
            marks = ", ".join("?" for _ in row)
            quoted = ", ".join(f'"{name}"' for name in names)
            raw.execute(f"INSERT INTO {table} (rowid, {quoted}) VALUES ({marks})", row)
    assert registry.verify().ok


def test_missing_entries_are_named_by_number(registry: Registry) -> None:
    edit(registry, "DELETE FROM ledger_entries WHERE seq IN (4, 5)")
    assert ("FB-AUDIT-005", "before entry 6") in found(registry.verify())
    assert "missing: 4 to 5" in {problem.what for problem in registry.verify().problems}


def test_an_entry_slipped_in_between_is_named(registry: Registry) -> None:
    edit(
        registry,
        "UPDATE ledger_entries SET seq = -seq WHERE seq >= 5",
        "UPDATE ledger_entries SET seq = 1 - seq WHERE seq < 0",
        "INSERT INTO ledger_entries SELECT 5, body, hash FROM ledger_entries WHERE seq = 4",
    )
    codes = found(registry.verify())
    assert ("FB-AUDIT-004", "entry 5") in codes
    assert ("FB-AUDIT-004", "entry 6") in codes


def test_an_entry_added_at_the_end_without_a_signature_is_named(registry: Registry) -> None:
    edit(registry, "INSERT INTO ledger_entries SELECT max(seq) + 1, body, hash FROM ledger_entries")
    assert {"FB-AUDIT-004", "FB-AUDIT-013", "FB-AUDIT-014"} <= {code for code, _ in found(registry.verify())}


def test_exchanged_entries_are_named(registry: Registry) -> None:
    edit(
        registry,
        "UPDATE ledger_entries SET seq = -4 WHERE seq = 4",
        "UPDATE ledger_entries SET seq = 4 WHERE seq = 5",
        "UPDATE ledger_entries SET seq = 5 WHERE seq = -4",
    )
    assert {("FB-AUDIT-004", "entry 4"), ("FB-AUDIT-004", "entry 5")} <= found(registry.verify())


def test_bytes_moved_between_salt_and_body_are_named(registry: Registry) -> None:
    edit(
        registry, "UPDATE ledger_payloads SET salt = substr(salt, 1, 31), body = substr(salt, 32) || body WHERE seq = 2"
    )
    assert ("FB-AUDIT-006", "payload of entry 2") in found(registry.verify())


def test_an_erased_payload_that_comes_back_and_one_that_vanishes_are_named(registry: Registry) -> None:
    erased = registry.version("machines", 2).seq
    edit(
        registry,
        f"INSERT INTO ledger_payloads SELECT {erased}, salt, body FROM ledger_payloads WHERE seq = 2",
        "DELETE FROM ledger_payloads WHERE seq = 3",
    )
    named = found(registry.verify())
    assert ("FB-AUDIT-008", f"payload of entry {erased}") in named
    assert ("FB-AUDIT-007", "payload of entry 3") in named


def truncate(folder: Path, size: int) -> None:
    """Cut a store back to a state that it once had, leaving no trace in it."""
    with closing(sqlite3.connect(folder / "flyball.db")) as raw, raw:
        kept = raw.execute("SELECT max(size) FROM ledger_checkpoints WHERE size <= ?", (size,)).fetchone()[0]
        assert kept == size
        for table, column in (("ledger_entries", "seq"), ("ledger_payloads", "seq"), ("ledger_checkpoints", "size")):
            raw.execute(f"DELETE FROM {table} WHERE {column} > ?", (size,))


def test_a_store_cut_back_by_its_last_entries_is_named(registry: Registry, project: Path) -> None:
    truncate(project, 7)
    assert ("FB-AUDIT-012", "head.json") in found(registry.verify())
    assert ("FB-AUDIT-013", "ledger_head") in found(registry.verify())


@pytest.fixture
def rolled_back(project: Path, tmp_path: Path) -> Registry:
    """A perfectly consistent older copy of the store, put in place of a later one."""
    registry = open_registry(project, begin=False)
    older = tmp_path / "older.db"
    with closing(sqlite3.connect(project / "flyball.db")) as source, closing(sqlite3.connect(older)) as copy:
        source.backup(copy)
    with registry.database.write("test") as tx:
        registry.ledger.append(tx, Draft("test.made", "later", TESTER))
    register_tiny(registry, content="later")
    registry.database.close()
    shutil.copy(older, project / "flyball.db")
    return open_registry(project, begin=False)


def test_a_rolled_back_store_is_found_by_the_checkpoint_beside_it(rolled_back: Registry) -> None:
    assert ("FB-AUDIT-012", "head.json") in found(rolled_back.verify())
    rolled_back.database.close()


def test_a_rolled_back_store_is_found_by_the_checkpoint_in_a_bundle(rolled_back: Registry) -> None:
    rolled_back.ledger.head.unlink()
    assert found(rolled_back.verify()) == {("FB-AUDIT-012", "the checkpoint in bundle machines/3")}
    rolled_back.database.close()


def test_a_rolled_back_store_is_found_by_an_anchor_that_somebody_kept(
    rolled_back: Registry, project: Path, tmp_path: Path
) -> None:
    anchor = tmp_path / "anchor.json"
    shutil.move(rolled_back.ledger.head, anchor)
    shutil.rmtree(project / "bundles" / "machines" / "3")
    assert rolled_back.verify().ok
    assert found(rolled_back.verify(checkpoints=[anchor])) == {("FB-AUDIT-012", str(anchor))}
    assert found(rolled_back.verify(checkpoints=[json.loads(anchor.read_bytes())])) == {
        ("FB-AUDIT-012", "checkpoint given (1)")
    }
    rolled_back.database.close()


def test_a_rolled_back_store_that_goes_on_growing_stays_found(rolled_back: Registry) -> None:
    kept = rolled_back.ledger.head.read_bytes()
    for number in range(6):
        with rolled_back.database.write("test") as tx:
            rolled_back.ledger.append(tx, Draft("test.made", f"other history {number}", TESTER))
    assert rolled_back.ledger.head.read_bytes() == kept
    assert ("FB-AUDIT-011", "head.json") in found(rolled_back.verify())
    rolled_back.database.close()


def test_nothing_is_cleaned_out_of_a_rolled_back_project(rolled_back: Registry, project: Path) -> None:
    assert rolled_back.clean_leftovers() == []
    assert (project / "bundles" / "machines" / "3").is_dir()
    rolled_back.database.close()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"v": 1}', b"\xff\xfe", b'{"size": 1e999}'])
def test_a_damaged_head_file_is_named(registry: Registry, content: bytes) -> None:
    registry.ledger.head.write_bytes(content)
    assert found(registry.verify()) == {("FB-AUDIT-009", "head.json")}


def test_every_byte_of_the_head_file_counts(registry: Registry) -> None:
    whole = registry.ledger.head.read_bytes().rstrip()
    for position in range(0, len(whole), 8):
        flipped = whole[:position] + bytes([whole[position] ^ 2]) + whole[position + 1 :]
        registry.ledger.head.write_bytes(flipped)
        assert not registry.ledger.verify().ok, position


def test_files_that_changed_are_named(registry: Registry, project: Path) -> None:
    bundle = project / "bundles" / "machines" / "1"
    (bundle / "model.onnx").write_bytes(b"Graph")
    (bundle / "extra.txt").write_bytes(b"")
    (bundle / "signature").unlink()
    (bundle / "signature").symlink_to("/dev/null")
    shutil.rmtree(project / "bundles" / "machines" / "2")
    digests = sorted(registry.artifacts.digests())
    blobs = [registry.artifacts.path(digest) for digest in digests]
    blobs[0].unlink()
    blobs[1].chmod(0o644)
    blobs[1].write_bytes(b"other")
    problems = registry.verify().problems
    assert {(problem.code, problem.what) for problem in problems if problem.code == "FB-AUDIT-020"} == {
        ("FB-AUDIT-020", "model.onnx was edited"),
        ("FB-AUDIT-020", "'extra.txt' was added"),
        ("FB-AUDIT-020", "signature is not a plain file"),
        ("FB-AUDIT-020", "there is no folder bundles/machines/2"),
    }
    assert ("FB-AUDIT-018", f"artifact {digests[0]}") in {(problem.code, problem.where) for problem in problems}
    assert ("FB-AUDIT-019", f"artifact {digests[1]}") in {(problem.code, problem.where) for problem in problems}


def test_a_folder_that_an_interrupted_run_left_is_a_note_not_a_problem(registry: Registry, project: Path) -> None:
    shutil.copytree(project / "bundles" / "machines" / "2", project / "bundles" / "machines" / "9")
    verification = registry.verify()
    assert verification.ok
    assert ["machines/9 holds no registered bundle" in note for note in verification.notes] == [True]
    assert [path.name for path in registry.clean_leftovers()] == ["9"]
    assert registry.verify().notes == ()


@pytest.mark.parametrize("table", sorted(TABLES))
def test_a_missing_table_is_named_and_raises_nothing(registry: Registry, project: Path, table: str) -> None:
    edit(registry, f"DROP TABLE {table}")
    assert ("FB-AUDIT-001", table) in found(registry.verify())
    reopened = open_registry(project)
    assert ("FB-AUDIT-001", table) in found(reopened.verify())
    reopened.database.close()


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM ledger_entries",
        "DELETE FROM ledger_checkpoints",
        "DELETE FROM ledger_head",
        "DELETE FROM signing_keys",
        "UPDATE ledger_entries SET body = x'7b'",
        "UPDATE ledger_payloads SET body = x'7b'",
        "UPDATE ledger_checkpoints SET body = x'7b'",
        "UPDATE ledger_head SET size = 'x'",
        "UPDATE signing_keys SET status = 'current'",
        "UPDATE model_versions SET details = '{'",
        "UPDATE runs SET actor = '{}'",
        "UPDATE aliases SET number = 'x'",
        "UPDATE models SET name = CAST(x'ff' AS TEXT)",
    ],
)
def test_a_damaged_project_still_opens_and_every_answer_is_right_or_coded(
    registry: Registry, project: Path, damage: str
) -> None:
    edit(registry, damage)
    reopened = open_registry(project)
    assert not reopened.verify().ok
    for ask in (
        reopened.models,
        reopened.runs,
        reopened.ledger.entries,
        reopened.clean_leftovers,
        lambda: reopened.resolve("machines@production"),
        lambda: reopened.versions("machines"),
        lambda: register_tiny(reopened, content="more"),
        lambda: KeyRing(reopened.ledger).rotate(TESTER, "damage"),
    ):
        with contextlib.suppress(FlyballError):
            ask()
    reopened.database.close()


def test_an_emptied_store_does_not_begin_anew_in_silence(registry: Registry, project: Path) -> None:
    edit(registry, *[f"DELETE FROM {table}" for table in TABLES])
    reopened = open_registry(project)
    assert ("FB-AUDIT-012", "head.json") in found(reopened.verify())
    with pytest.raises(FlyballError):
        register_tiny(reopened)
    reopened.database.close()


def test_a_flood_of_damage_is_summed_up(registry: Registry) -> None:
    with registry.database.write("test") as tx:
        registry.ledger.append(tx, *[Draft("test.made", str(number), TESTER) for number in range(300)])
    edit(registry, "UPDATE ledger_entries SET hash = 'x'")
    verification = registry.verify()
    assert sum(problem.code == "FB-AUDIT-003" for problem in verification.problems) == 100
    assert any("further problems of FB-AUDIT-003" in note for note in verification.notes)


def dump(path: Path) -> list[object]:
    with closing(sqlite3.connect(path)) as raw:
        return [raw.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in sorted(TABLES)]


def test_damage_of_the_file_itself_is_named_or_touches_nothing_that_is_read(project: Path) -> None:
    path = project / "flyball.db"
    whole, kept, named = path.read_bytes(), dump(path), 0
    rng = random.Random(11)
    for _ in range(40):
        start, count = rng.randrange(len(whole)), rng.choice((1, 1, 16, 4096))
        noise = bytes(rng.randrange(256) for _ in range(min(count, len(whole) - start)))
        path.write_bytes(whole[:start] + noise + whole[start + len(noise) :])
        for beside in project.glob("flyball.db-*"):
            beside.unlink()
        try:
            registry = open_registry(project, begin=False)
        except FlyballError:
            named += 1
            continue
        ok = registry.verify().ok
        registry.database.close()
        named += not ok
        assert not ok or dump(path) == kept
    assert named > 5
